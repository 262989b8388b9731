//! A new connection's first words.

use std::io;
use std::sync::Arc;

use tokio::time::timeout;

use crate::address::Address;
use crate::command::Command;
use crate::config::Config;
use crate::connect::Connect;
use crate::error::Error;
use crate::wire::Wire;

/// Connects, logs in, and chooses protocol and database.
pub(crate) async fn connect(
    connector: &dyn Connect,
    address: &Address,
    config: &Config,
) -> Result<Wire, Error> {
    let greeted = async {
        let stream = connector.connect(address).await?;
        let mut wire = Wire::new(address.clone(), stream, config.reply);
        Ok::<_, io::Error>(greet(&mut wire, config).await.map(|()| wire))
    };
    let failed = |error: io::Error| Error::Connect {
        address: address.clone(),
        source: Arc::new(error),
    };
    match timeout(config.connect_timeout, greeted).await {
        Err(_) => Err(failed(io::ErrorKind::TimedOut.into())),
        Ok(Err(error)) => Err(failed(error)),
        // Nothing of the caller's was sent, so a connection that broke here was never made.
        Ok(Ok(Err(Error::OutcomeUnknown { source, .. }))) => Err(Error::Connect {
            address: address.clone(),
            source,
        }),
        Ok(Ok(result)) => result,
    }
}

async fn greet(wire: &mut Wire, config: &Config) -> Result<(), Error> {
    match wire.call(&hello(config)).await {
        Ok(_) => {}
        // A server that does not know the greeting, or no newer protocol: the old way.
        Err(Error::Refused(refusal))
            if refusal.code() == "NOPROTO" || refusal.text().contains("unknown command") =>
        {
            greet_older(wire, config).await?;
        }
        Err(error) => return Err(error),
    }
    if config.database != 0 {
        let select = Command::new("SELECT").number(i64::from(config.database));
        wire.call(&select).await?;
    }
    Ok(())
}

fn hello(config: &Config) -> Command {
    let mut hello = Command::new("HELLO").arg("3");
    if let Some(password) = &config.password {
        let user = config.user.as_deref().unwrap_or("default");
        hello = hello.arg("AUTH").arg(user).arg(password.reveal());
    }
    if let Some(name) = &config.name {
        hello = hello.arg("SETNAME").arg(name);
    }
    hello
}

async fn greet_older(wire: &mut Wire, config: &Config) -> Result<(), Error> {
    if let Some(password) = &config.password {
        let auth = Command::new("AUTH")
            .args(&config.user)
            .arg(password.reveal());
        wire.call(&auth).await?;
    }
    if let Some(name) = &config.name {
        wire.call(&Command::new("CLIENT").arg("SETNAME").arg(name))
            .await?;
    }
    Ok(())
}
