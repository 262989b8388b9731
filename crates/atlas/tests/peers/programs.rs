//! Programs that keep their jobs in Redis, unchanged: Celery, rq, and a worker in Sidekiq's shape. Jobs are added without a
//! pause while the store is killed (SIGKILL) and started again, and the worker is; every job whose adding was acknowledged
//! is worked on. The same with Redis's own server shows that the programs themselves lose none.
//!
//! What a program holds in its hands is its own matter: a store is killed while the worker is in the middle of a job, not
//! between the command that takes a job and the next one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use atlas_testkit::{Atlas, Deadline, Process, eventually};
use tempfile::TempDir;

use crate::support::{atlas, deadline, free_port, listening, shell};
use crate::workshop::{has_python, jobs, run};

/// Who is killed at each gate: the store, the worker.
const GATES: [(bool, bool); 4] = [(true, false), (false, true), (true, false), (true, true)];

#[derive(Clone, Copy)]
enum Program {
    Celery,
    Rq,
    Sidekiq,
}

impl Program {
    fn file(self) -> &'static str {
        match self {
            Self::Celery => "celery_jobs.py",
            Self::Rq => "rq_jobs.py",
            Self::Sidekiq => "sidekiq_jobs.py",
        }
    }

    /// Jobs from one gate to the next: rq starts a process for each.
    fn gate_jobs(self) -> usize {
        match self {
            Self::Celery | Self::Sidekiq => 30,
            Self::Rq => 8,
        }
    }
}

#[derive(Clone, Copy)]
enum Server {
    Redis,
    Store,
}

/// A server that writes before it answers.
enum Running {
    Redis(Box<Process>),
    Store(Box<Atlas>),
}

impl Server {
    async fn start(self, port: u16, data: &Path) -> Running {
        match self {
            Self::Redis => {
                let command = format!(
                    "redis-server --port {port} --bind 127.0.0.1 --save '' --appendonly yes --appendfsync always"
                );
                Running::Redis(Box::new(listening(data, &command, port).await))
            }
            Self::Store => {
                let listen = format!("127.0.0.1:{port}");
                let arguments = ["--admin-listen", "127.0.0.1:0", "--fsync", "every"];
                let command = atlas(&["store", "--listen", &listen]).args(arguments);
                let started = command.data_dir(data).start(deadline()).await;
                Running::Store(Box::new(started.unwrap()))
            }
        }
    }
}

impl Running {
    async fn kill(&mut self) {
        let process = match self {
            Self::Redis(process) => &mut **process,
            Self::Store(atlas) => &mut **atlas,
        };
        process.kill().unwrap();
        process.wait(deadline()).await.unwrap();
    }
}

/// The folder in which a program and the test meet.
struct Place {
    program: Program,
    port: u16,
    sources: PathBuf,
    folder: TempDir,
}

impl Place {
    fn start(&self, what: &str) -> Process {
        let (file, port) = (self.program.file(), self.port);
        let folder = self.folder.path().display();
        let command = format!("exec venv/bin/python {file} {what} {port} '{folder}'");
        shell(&self.sources, &command, &[])
    }

    /// What it says goes to a file: a process of a job may outlive the worker that has started it.
    fn start_worker(&self) -> Process {
        let (file, port) = (self.program.file(), self.port);
        let folder = self.folder.path().display();
        let command =
            format!("exec venv/bin/python {file} work {port} '{folder}' >>'{folder}/worker' 2>&1");
        shell(&self.sources, &command, &[])
    }

    fn worker_said(&self) -> String {
        self.says("worker").unwrap_or_default()
    }

    fn done(&self) -> BTreeSet<u64> {
        numbers(&fs::read_to_string(self.folder.path().join("done")).unwrap_or_default())
    }

    fn says(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.folder.path().join(name)).ok()
    }

    fn say(&self, name: &str) {
        fs::write(self.folder.path().join(name), "").unwrap();
    }
}

/// The numbers of whole lines.
fn numbers(text: &str) -> BTreeSet<u64> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().filter_map(|line| line.parse().ok()).collect()
}

async fn jobs_outlive(program: Program, server: Server) {
    if !has_python() {
        return;
    }
    if matches!(server, Server::Redis) && !has_redis() {
        println!("skipped: redis-server is not installed");
        return;
    }
    let place = Place {
        program,
        port: free_port(),
        sources: jobs(),
        folder: tempfile::tempdir().unwrap(),
    };
    let data = tempfile::tempdir().unwrap();
    let gate_jobs = program.gate_jobs();
    let gates: Vec<usize> = (1..=GATES.len()).map(|at| at * gate_jobs).collect();
    let text = gates.iter().map(|gate| format!("{gate}\n"));
    fs::write(place.folder.path().join("gates"), text.collect::<String>()).unwrap();
    let mut running = server.start(place.port, data.path()).await;
    let mut adding = place.start("add");
    let mut worker = place.start_worker();
    for (gate, (kills_server, kills_worker)) in gates.iter().zip(GATES) {
        let what = format!("a job at gate {gate}");
        let reached = eventually(deadline(), &what, || {
            place.says(&format!("reached-{gate}")).is_some()
        });
        if let Err(error) = reached.await {
            panic!(
                "{error}; added {}, done {}\n{}\n{}",
                numbers(&adding.stdout()).len(),
                place.done().len(),
                adding.stderr(),
                place.worker_said()
            );
        }
        // In the middle of the adding.
        let before = numbers(&adding.stdout()).len();
        let more = || numbers(&adding.stdout()).len() > before + 5;
        eventually(deadline(), "more jobs", more).await.unwrap();
        if kills_worker {
            // A worker may do its job in a process of its own.
            let child = place.says(&format!("reached-{gate}")).unwrap();
            worker.kill().unwrap();
            run(place.folder.path(), &format!("kill -9 {child} || true"));
            worker.wait(deadline()).await.unwrap();
        }
        if kills_server {
            running.kill().await;
            running = server.start(place.port, data.path()).await;
        }
        place.say(&format!("passed-{gate}"));
        if kills_worker {
            worker = place.start_worker();
        }
    }
    place.say("enough");
    adding.wait(deadline()).await.unwrap();
    let acknowledged = numbers(&adding.stdout());
    assert!(
        acknowledged.len() > GATES.len() * gate_jobs,
        "{}",
        adding.stderr()
    );
    let all_done = Deadline::seconds(180);
    loop {
        let progress = place.done().len();
        let is_done = || acknowledged.is_subset(&place.done());
        if eventually(Deadline::seconds(5), "the end", is_done)
            .await
            .is_ok()
        {
            break;
        }
        if place.done().len() > progress {
            continue;
        }
        let lost: Vec<_> = acknowledged.difference(&place.done()).copied().collect();
        assert!(
            !all_done.passed(),
            "acknowledged and not done: {lost:?}\n{}",
            place.worker_said()
        );
        // What a killed worker had in hand, some programs look for when a worker starts, rq after minutes.
        worker.kill().unwrap();
        worker.wait(deadline()).await.unwrap();
        if matches!(program, Program::Rq) {
            let mut rescue = place.start("rescue");
            rescue.wait(deadline()).await.unwrap();
        }
        worker = place.start_worker();
    }
}

fn has_redis() -> bool {
    let mut command = Command::new("redis-server");
    let status = command.arg("--version").stdout(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[tokio::test]
async fn celery_s_jobs_outlive_kills_of_the_store() {
    jobs_outlive(Program::Celery, Server::Store).await;
}

#[tokio::test]
async fn celery_s_jobs_outlive_kills_of_redis() {
    jobs_outlive(Program::Celery, Server::Redis).await;
}

#[tokio::test]
async fn rq_s_jobs_outlive_kills_of_the_store() {
    jobs_outlive(Program::Rq, Server::Store).await;
}

#[tokio::test]
async fn rq_s_jobs_outlive_kills_of_redis() {
    jobs_outlive(Program::Rq, Server::Redis).await;
}

#[tokio::test]
async fn jobs_in_sidekiq_s_shape_outlive_kills_of_the_store() {
    jobs_outlive(Program::Sidekiq, Server::Store).await;
}

#[tokio::test]
async fn jobs_in_sidekiq_s_shape_outlive_kills_of_redis() {
    jobs_outlive(Program::Sidekiq, Server::Redis).await;
}
