//! The one way in: asks a running store how it is, and tells it to stop.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::admin::Link;
use crate::asked::Question;
use crate::error::Error;
use crate::mail::{Mail, Mailbox};

/// How long the engine may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// A cheap handle of a running store.
#[derive(Clone)]
pub struct Handle {
    pub(crate) mailbox: Mailbox,
    /// Where clients connect.
    pub(crate) listen: SocketAddr,
    /// The admin API's way to keys.
    pub(crate) link: Arc<Link>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Handle");
        shown.field("listen", &self.listen).finish_non_exhaustive()
    }
}

impl Handle {
    pub(crate) fn new(mailbox: Mailbox, listen: SocketAddr) -> Self {
        Self {
            mailbox,
            listen,
            link: Arc::default(),
        }
    }

    /// Tells the store to stop: no new clients, what is under way is answered, the log is closed. Whoever is left after
    /// `drain` is cut.
    pub fn stop(&self, drain: Duration) {
        let deadline = Instant::now() + drain;
        self.mailbox.send(Mail::Stop { deadline });
    }

    /// Asks the engine.
    ///
    /// # Errors
    /// [`Error::Stopped`] if it has ended, [`Error::Busy`] if it does not answer in time.
    pub(crate) async fn ask<A>(
        &self,
        question: impl FnOnce(oneshot::Sender<A>) -> Question,
    ) -> Result<A, Error> {
        let (sender, answer) = oneshot::channel();
        self.mailbox.send(Mail::Asked(question(sender)));
        match tokio::time::timeout(ANSWER_WAIT, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Error::Stopped),
            Err(_) => Err(Error::Busy),
        }
    }
}
