//! What is measured: no proxy at all, nginx, HAProxy, and the edge in several settings; each with one server behind.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use crate::Error;
use crate::process::Running;
use crate::start::{await_listening, find, free_ports, pin, program, with_log};

/// One thing to put between the players and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// Nothing: the players dial the server. What is left of a round trip without a proxy.
    Direct,
    /// nginx, tunnelling.
    Nginx,
    /// HAProxy, tunnelling.
    Haproxy,
    /// The edge, opaque dialect, plain link: a session that cannot move.
    Atlas,
    /// The edge reading positions, player far from every border.
    AtlasJson,
    /// The edge reading positions, player beside a border: every message is looked at.
    AtlasJsonBelt,
}

impl Target {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 6] = [
        Self::Direct,
        Self::Nginx,
        Self::Haproxy,
        Self::Atlas,
        Self::AtlasJson,
        Self::AtlasJsonBelt,
    ];

    /// What is measured if nothing else is asked for.
    pub const USUAL: [Self; 5] = [
        Self::Direct,
        Self::Nginx,
        Self::Haproxy,
        Self::Atlas,
        Self::AtlasJson,
    ];

    /// The name in the table and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Atlas => "atlas",
            Self::AtlasJson => "atlas-json",
            Self::AtlasJsonBelt => "atlas-json-belt",
        }
    }

    /// The position that the players name in their messages.
    pub fn position_x(self) -> &'static str {
        if self == Self::AtlasJsonBelt {
            "12.50"
        } else {
            "512.5"
        }
    }

    fn is_atlas(self) -> bool {
        matches!(self, Self::Atlas | Self::AtlasJson | Self::AtlasJsonBelt)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|target| target.name() == name)
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|target| target.name()).collect();
                format!("no such target; there are {}", names.join(", "))
            })
    }
}

/// Where programs are, and how much they get.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The edge's program.
    pub atlas: PathBuf,
    /// A folder for configurations, logs and data.
    pub folder: PathBuf,
    /// Worker processes or threads of each target.
    pub workers: usize,
    /// Cores that a target is bound to; empty: not bound.
    pub target_cores: Vec<usize>,
    /// Cores of the server and the players; empty: not bound.
    pub other_cores: Vec<usize>,
    /// Open files that each process may have.
    pub open_files: u64,
}

/// A started target, with the server behind it; both end when it is dropped.
pub struct Standing {
    /// Where players connect.
    pub address: SocketAddr,
    /// The process to watch; none for no proxy.
    pub process: Option<u32>,
    // Dropped in this order: the proxy first, so that it closes its connections itself.
    _proxy: Option<Running>,
    _server: Running,
}

impl Setting {
    /// True if the target's program is there.
    pub fn has(&self, target: Target) -> bool {
        match target {
            Target::Direct => true,
            Target::Nginx => find("nginx").is_some(),
            Target::Haproxy => find("haproxy").is_some(),
            _ => self.atlas.is_file(),
        }
    }

    /// Starts a fresh server and a fresh target in front of it.
    ///
    /// # Errors
    /// If a program cannot be started or does not listen in time.
    pub fn start(&self, target: Target) -> Result<Standing, Error> {
        let ports = free_ports(2)?;
        let server_port = ports[0];
        let own = std::env::current_exe().map_err(Error::system("find this program"))?;
        pin(&self.other_cores)?;
        let mut server = Running::start(
            "the echo server",
            Command::new(own)
                .arg("echo")
                .args(["--listen", &format!("127.0.0.1:{server_port}")])
                .args(["--listen", &format!("127.0.0.2:{server_port}")]),
            &self.folder.join("echo.log"),
        )?;
        let server_address = SocketAddr::from(([127, 0, 0, 1], server_port));
        await_listening(&mut server, server_address)?;
        if target == Target::Direct {
            return Ok(Standing {
                address: server_address,
                process: None,
                _proxy: None,
                _server: server,
            });
        }
        let address = SocketAddr::from(([127, 0, 0, 1], ports[1]));
        let mut command = self.command(target, address, server_port)?;
        pin(&self.target_cores)?;
        let log = self.folder.join(format!("{target}.log"));
        let started = Running::start(target.name(), &mut command, &log);
        pin(&self.other_cores)?;
        let mut proxy = started?;
        await_listening(&mut proxy, address).map_err(|error| with_log(error, &log))?;
        Ok(Standing {
            address,
            process: Some(proxy.id()),
            _proxy: Some(proxy),
            _server: server,
        })
    }

    fn command(
        &self,
        target: Target,
        listen: SocketAddr,
        server_port: u16,
    ) -> Result<Command, Error> {
        match target {
            Target::Nginx => {
                let file = self.write("nginx.conf", &self.nginx(listen, server_port))?;
                let mut command = Command::new(program("nginx")?);
                command
                    .arg("-c")
                    .arg(file)
                    .arg("-p")
                    .arg(&self.folder)
                    .args(["-e", "stderr"]);
                Ok(command)
            }
            Target::Haproxy => {
                let file = self.write("haproxy.cfg", &self.haproxy(listen, server_port))?;
                let mut command = Command::new(program("haproxy")?);
                command.arg("-db").arg("-f").arg(file);
                Ok(command)
            }
            _ => {
                debug_assert!(target.is_atlas(), "direct starts no program");
                let text = self.atlas_configuration(target, listen, server_port);
                let file = self.write(&format!("{target}.toml"), &text)?;
                let mut command = Command::new(&self.atlas);
                command.arg("edge").arg("--config").arg(file);
                Ok(command)
            }
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(|source| Error::File {
            action: "write",
            path: path.clone(),
            source,
        })?;
        Ok(path)
    }

    fn nginx(&self, listen: SocketAddr, server_port: u16) -> String {
        let Self {
            workers,
            open_files,
            ..
        } = self;
        // As root the workers would change to a user that may not be there.
        let user = if rustix::process::geteuid().is_root() {
            "user root;"
        } else {
            ""
        };
        let connections = open_files.saturating_sub(200);
        format!(
            "daemon off;\n{user}\npid nginx.pid;\nerror_log stderr warn;\n\
             worker_processes {workers};\nworker_rlimit_nofile {open_files};\n\
             events {{ worker_connections {connections}; use epoll; }}\n\
             http {{\n  access_log off;\n\
             client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;\n\
             upstream game {{ server 127.0.0.1:{server_port}; }}\n\
             server {{\n    listen {listen} backlog=4096;\n    location / {{\n      proxy_pass http://game;\n\
             proxy_http_version 1.1;\n      proxy_set_header Upgrade $http_upgrade;\n\
             proxy_set_header Connection \"upgrade\";\n      proxy_set_header Host $host;\n\
             proxy_read_timeout 1h;\n      proxy_send_timeout 1h;\n    }}\n  }}\n}}\n"
        )
    }

    fn haproxy(&self, listen: SocketAddr, server_port: u16) -> String {
        let Self {
            workers,
            open_files,
            ..
        } = self;
        // Two descriptors a connection, and some for itself.
        let connections = open_files.saturating_sub(200) / 2;
        format!(
            "global\n  nbthread {workers}\n  maxconn {connections}\n\
             defaults\n  mode http\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n  timeout tunnel 1h\n\
             frontend players\n  bind {listen} backlog 4096\n  default_backend game\n\
             backend game\n  server one 127.0.0.1:{server_port}\n"
        )
    }

    fn atlas_configuration(&self, target: Target, listen: SocketAddr, server_port: u16) -> String {
        let data = self.folder.join("atlas-data");
        let mut text = format!(
            "[node]\ndata-dir = {data:?}\ndrain-timeout = \"1s\"\n[log]\nlevel = \"warn\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[edge]\nlisten = \"{listen}\"\nworkers = {}\n",
            self.workers
        );
        text.push_str(&self.unlimited());
        let (dialect, west, east) = if target == Target::Atlas {
            ("opaque", "", None)
        } else {
            let region = |from: i32, to: i32| {
                format!("region = {{ min = [{from}, -1000, -1000], max = [{to}, 1000, 1000] }}\n")
            };
            ("json", &*region(0, 1000), Some(region(-1000, 0)))
        };
        text.push_str(&format!(
            "[world.main.dialect]\nname = \"{dialect}\"\n\
             [[world.main.servers]]\nname = \"one\"\nlink = \"plain\"\naddress = \"ws://127.0.0.1:{server_port}\"\n{west}"
        ));
        if let Some(region) = east {
            text.push_str(&format!(
                "[[world.main.servers]]\nname = \"two\"\nlink = \"plain\"\naddress = \"ws://127.0.0.2:{server_port}\"\n{region}"
            ));
            // Every player begins at the server whose region it will be in: a move would send the join a second time.
            text = text.replace(
                "address = \"ws://127.0.0.1:",
                "labels = { place = \"first\" }\naddress = \"ws://127.0.0.1:",
            );
            text.push_str("[[world.main.splits]]\nlabels = { place = \"first\" }\nshare = 1.0\n");
        }
        text
    }

    /// Lifts the limits on one player's rate and opens no port for servers, in editions of the edge that have them.
    fn unlimited(&self) -> String {
        let example = Command::new(&self.atlas)
            .args(["config", "example", "edge"])
            .output()
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default();
        let lifted: Vec<&str> = ["messages-per-second", "bytes-per-second"]
            .into_iter()
            .filter(|key| {
                example
                    .lines()
                    .any(|line| line.trim_start_matches(['#', ' ']).starts_with(key))
            })
            .collect();
        let mut text = String::new();
        if !lifted.is_empty() {
            let lines: Vec<String> = lifted.iter().map(|key| format!("{key} = 0\n")).collect();
            text = format!("[edge.limits]\n{}", lines.concat());
        }
        if example.contains("[edge.registration]") {
            // No server registers here, and another edge may have the port.
            text.push_str("[edge.registration]\nlisten = \"off\"\n");
        }
        text
    }
}
