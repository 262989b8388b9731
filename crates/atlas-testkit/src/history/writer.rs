//! One client that writes: what it sent, what it was answered, what may have become of the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::client::Client;
use super::model::{Content, Model, Step};
use super::{Load, NUMBER, Progress, QUEUE, Random};

/// What a writer does at once.
#[derive(Clone, Debug)]
enum Action {
    One(Step),
    /// `MULTI`, the next number, the steps, `EXEC`.
    Transaction(Vec<Step>),
    /// The next of the numbers that all writers share.
    Number,
    /// An element for those who wait.
    Queue(String),
    /// `BGSAVE`.
    Save,
}

/// An action that was answered with success, or not at all.
#[derive(Clone, Debug)]
pub(super) struct Past {
    action: Action,
    pub(super) is_answered: bool,
    pub(super) number: Option<u64>,
}

impl Past {
    /// True if it takes one of the numbers that all share.
    pub(super) fn is_numbered(&self) -> bool {
        matches!(self.action, Action::Number | Action::Transaction(_))
    }

    pub(super) fn queued(&self) -> Option<&str> {
        match &self.action {
            Action::Queue(token) => Some(token),
            _ => None,
        }
    }

    pub(super) fn apply(&self, model: &mut Model) {
        self.action.apply(model);
    }
}

/// What the answers to an action say.
enum Outcome {
    Done(Option<u64>),
    /// Not done, and it never will be.
    Refused {
        is_final: bool,
    },
    /// Whether it is done shows after a restart.
    Unknown,
    Wrong(String),
}

impl Action {
    fn draw(random: &mut Random, model: &Model, writer: usize, unique: u64) -> Self {
        match random.below(100) {
            0..=9 => Self::Number,
            10..=17 => {
                let mut model = model.clone();
                let steps = (0..=random.below(4)).map(|at| {
                    let step = Step::draw(random, &model, unique * 8 + at);
                    step.apply(&mut model);
                    step
                });
                Self::Transaction(steps.collect())
            }
            18..=21 => Self::Queue(format!("{writer}-{unique}")),
            22 => Self::Save,
            _ => Self::One(Step::draw(random, model, unique * 8)),
        }
    }

    fn encode(&self, prefix: &str, to: &mut Vec<u8>) {
        let mut put = |words: &[String]| atlas_resp::command(to, words);
        match self {
            Self::One(step) => put(&step.words(prefix)),
            Self::Transaction(steps) => {
                put(&["multi".into()]);
                put(&["incr".into(), NUMBER.into()]);
                for step in steps {
                    put(&step.words(prefix));
                }
                put(&["exec".into()]);
            }
            Self::Number => put(&["incr".into(), NUMBER.into()]),
            Self::Queue(token) => put(&["rpush".into(), QUEUE.into(), token.clone()]),
            Self::Save => put(&["bgsave".into()]),
        }
    }

    fn answers(&self) -> usize {
        match self {
            Self::Transaction(steps) => steps.len() + 3,
            _ => 1,
        }
    }

    /// Does it, and says what is answered; a star for what depends on others.
    fn apply(&self, model: &mut Model) -> String {
        match self {
            Self::One(step) => step.apply(model),
            Self::Transaction(steps) => {
                let answers = steps.iter().map(|step| format!(" {}", step.apply(model)));
                format!("[*{}]", answers.collect::<String>())
            }
            Self::Number | Self::Queue(_) | Self::Save => "*".into(),
        }
    }

    /// Reads the answers, and does it to `model` if they say that it is done.
    fn settle(&self, answers: &[String], model: &mut Model) -> Outcome {
        let last = answers.last().map_or("", String::as_str);
        if matches!(self, Self::Save) {
            return Outcome::Done(None);
        }
        let is_final = answers
            .iter()
            .any(|answer| answer.contains("until a restart"));
        if last.starts_with("!MISCONF") && is_final {
            return Outcome::Unknown;
        }
        if last.starts_with("!MISCONF") || (last.starts_with("!EXECABORT") && is_refusal(answers)) {
            return Outcome::Refused { is_final };
        }
        let expected = self.apply(model);
        let (number, is_right) = match expected.split_once('*') {
            None => (None, last == expected),
            Some((before, after)) => {
                let middle = last
                    .strip_prefix(before)
                    .and_then(|rest| rest.strip_suffix(after));
                let number = middle.and_then(|middle| middle.parse().ok());
                (number, number.is_some())
            }
        };
        if !is_right {
            return Outcome::Wrong(format!("{self:?} was answered {answers:?}, not {expected}"));
        }
        Outcome::Done(number.filter(|_| !matches!(self, Self::Queue(_))))
    }
}

fn is_refusal(answers: &[String]) -> bool {
    answers.iter().any(|answer| answer.starts_with("!MISCONF"))
}

/// A client that writes to keys of its own, over any number of connections, one after the other.
#[derive(Debug)]
pub(super) struct Writer {
    number: usize,
    random: Random,
    unique: u64,
    /// What its keys held when that was looked at last.
    pub(super) floor: Model,
    /// What it did since: first what was answered, then what was not.
    pub(super) past: Vec<Past>,
    /// What its keys hold after what was answered.
    now: Model,
    pub(super) refused: u64,
}

impl Writer {
    pub(super) fn new(number: usize, random: Random) -> Self {
        Self {
            number,
            random,
            unique: 0,
            floor: Model::default(),
            past: Vec::new(),
            now: Model::default(),
            refused: 0,
        }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// What the names of its keys begin with.
    pub(super) fn prefix(&self) -> String {
        format!("{}:", self.number)
    }

    pub(super) fn answered(&self) -> usize {
        self.past.iter().take_while(|past| past.is_answered).count()
    }

    /// Goes on from what was found.
    pub(super) fn go_on_from(&mut self, found: Model) {
        self.floor.clone_from(&found);
        self.now = found;
    }

    /// Forgets what it did: it has been looked at.
    pub(super) fn forget(&mut self) {
        self.past.clear();
    }

    /// Writes until it has done enough, is told to stop, or the store is gone.
    pub(super) fn write(
        &mut self,
        address: SocketAddr,
        load: &Load,
        progress: &Progress,
    ) -> Result<(), String> {
        let Some(mut client) = Client::connect(address) else {
            return Ok(());
        };
        let mut left = load.actions_max;
        while left > 0 && !progress.is_stopped() {
            let count = 1 + self.random.below(load.batch_max).min(left - 1);
            left -= count;
            let batch = self.draw(count);
            let mut bytes = Vec::new();
            for action in &batch {
                action.encode(&self.prefix(), &mut bytes);
            }
            let refused = self.refused;
            match self.exchange(&mut client, &bytes, batch, progress)? {
                Next::Go if self.refused > refused => progress.rest(),
                Next::Go => {}
                Next::Gone => return Ok(()),
                Next::Final => return self.look_at_refusal(&mut client, progress),
            }
        }
        Ok(())
    }

    fn draw(&mut self, count: u64) -> Vec<Action> {
        // What it draws depends on what its keys will hold if all goes well.
        let mut model = self.now.clone();
        let mut batch = Vec::new();
        for _ in 0..count {
            self.unique += 1;
            let action = Action::draw(&mut self.random, &model, self.number, self.unique);
            action.apply(&mut model);
            batch.push(action);
        }
        batch
    }

    fn exchange(
        &mut self,
        client: &mut Client,
        bytes: &[u8],
        batch: Vec<Action>,
        progress: &Progress,
    ) -> Result<Next, String> {
        let is_sent = client.send(bytes);
        let mut next = Next::Go;
        // Even if not all could be sent, something may have arrived, and been answered.
        for action in batch {
            let mut answers = Vec::new();
            while !matches!(next, Next::Gone) && answers.len() < action.answers() {
                match client.receive() {
                    Some(answer) => answers.push(answer),
                    None => next = Next::Gone,
                }
            }
            let outcome = if matches!(next, Next::Gone) {
                Outcome::Unknown
            } else {
                action.settle(&answers, &mut self.now)
            };
            let (is_answered, number) = match outcome {
                Outcome::Done(_)
                    if matches!(next, Next::Final) && !matches!(action, Action::Save) =>
                {
                    return Err(format!(
                        "writer {}: {action:?} was answered {answers:?} after the log had failed",
                        self.number
                    ));
                }
                Outcome::Done(number) => {
                    progress.answered();
                    (true, number)
                }
                Outcome::Refused { is_final } => {
                    self.refused += 1;
                    if is_final {
                        next = Next::Final;
                    }
                    continue;
                }
                Outcome::Unknown => {
                    if !matches!(next, Next::Gone) {
                        next = Next::Final;
                    }
                    (false, None)
                }
                Outcome::Wrong(what) => return Err(format!("writer {}: {what}", self.number)),
            };
            self.past.push(Past {
                action,
                is_answered,
                number,
            });
        }
        Ok(if is_sent { next } else { Next::Gone })
    }

    /// The log has failed: reads go on, no write is taken.
    fn look_at_refusal(&mut self, client: &mut Client, progress: &Progress) -> Result<(), String> {
        for _ in 0..3 {
            let Some(read) = client.ask(&format!("get {NUMBER}")) else {
                return Ok(());
            };
            if read.starts_with('!') {
                return Err(format!(
                    "a read was answered {read} after the log had failed"
                ));
            }
            let line = format!("incr {NUMBER}");
            let Some(written) = client.ask(&line) else {
                return Ok(());
            };
            if !written.starts_with("!MISCONF the log failed") {
                return Err(format!(
                    "{line} was answered {written} after the log had failed"
                ));
            }
            if progress.is_stopped() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What its keys hold in a store.
    pub(super) fn found(&self, client: &mut Client) -> Option<Result<Model, String>> {
        let prefix = self.prefix();
        let mut model = Model::default();
        for name in ["string", "over", "until", "text", "moved", "count"] {
            let value = client.ask(&format!("get {prefix}{name}"))?;
            if value == "nil" {
                continue;
            }
            let until = client.ask(&format!("pexpiretime {prefix}{name}"))?;
            let until = until.parse().ok();
            model.0.insert(name, Content::Text(value, until));
        }
        let mut list = |line: &str| client.list(&line.replace('@', &prefix));
        let pairs = |list: Vec<String>| -> Vec<(String, String)> {
            let pairs = list.chunks_exact(2);
            pairs
                .map(|pair| (pair[0].clone(), pair[1].clone()))
                .collect()
        };
        let read = [
            ("list", list("lrange @list 0 -1")?),
            ("hash", list("hgetall @hash")?),
            ("set", list("smembers @set")?),
            ("sorted", list("zrange @sorted 0 -1 withscores")?),
        ];
        for (name, values) in read {
            let values = match values {
                Ok(values) if values.is_empty() => continue,
                Ok(values) => values,
                Err(answer) => return Some(Err(format!("{prefix}{name}: {answer}"))),
            };
            let content = match name {
                "list" => Content::List(values),
                "hash" => Content::Hash(pairs(values).into_iter().collect::<BTreeMap<_, _>>()),
                "set" => Content::Set(values.into_iter().collect::<BTreeSet<_>>()),
                _ => {
                    let scores = pairs(values).into_iter();
                    Content::Sorted(
                        scores
                            .map(|(member, score)| (member, score.parse().unwrap_or(i64::MIN)))
                            .collect(),
                    )
                }
            };
            model.0.insert(name, content);
        }
        Some(Ok(model))
    }
}

enum Next {
    Go,
    Gone,
    Final,
}
