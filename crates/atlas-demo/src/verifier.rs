use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::messages::Answer;

/// One client's book of what it sent and what came back.
///
/// Every message it sends has the next number, from 1 on; each is to be answered exactly once, in
/// order, and the server's own count of answers (`out`) has to go on without a hole. Pure: moments
/// come in as arguments.
#[derive(Debug, Default)]
pub(crate) struct Verifier {
    sent: u64,
    outstanding: BTreeMap<u64, Instant>,
    highest: u64,
    latest: Option<Latest>,
    server: String,
    faults_of_server: (u64, u64),
    /// The newest answer to the newest message: its number, and how many messages the state contains.
    contained: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Latest {
    at: Instant,
    out: Option<u64>,
}

/// What one answer turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) kind: Kind,
    /// The server's count of answers did not go on from the answer before: state was lost or doubled.
    pub(crate) state_break: bool,
    /// Set on the first answer of another server than before.
    pub(crate) switch: Option<Switch>,
    /// What the server newly says it missed of the client's messages.
    pub(crate) server_gaps: u64,
    /// What the server newly says it got twice or out of order.
    pub(crate) server_doubles: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first answer to that message, after this time.
    Answered(Duration),
    /// The first answer to that message, but after one to a later message.
    Reordered(Duration),
    /// That message had its answer already.
    Doubled,
    /// No message of that number was ever sent.
    Unexpected,
}

/// A change of servers as the client felt it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Switch {
    /// From the old server's last answer to the new server's first.
    pub(crate) gap: Duration,
}

impl Verifier {
    /// Books a message that leaves at `now` and returns its number.
    pub(crate) fn send(&mut self, now: Instant) -> u64 {
        self.sent += 1;
        self.outstanding.insert(self.sent, now);
        self.sent
    }

    /// How many messages of the player the newest state lacks; `unnumbered` were sent besides the numbered ones. None
    /// as long as the last message is not answered, or if the server does not say what its state contains.
    pub(crate) fn missing(&self, unnumbered: u64) -> Option<i64> {
        let (n, taken) = self.contained.filter(|(n, _)| *n == self.sent)?;
        i64::try_from(n + unnumbered)
            .ok()?
            .checked_sub_unsigned(taken)
    }

    /// How many messages wait for their answer.
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// How many messages wait for longer than `limit`.
    pub(crate) fn overdue(&self, now: Instant, limit: Duration) -> u64 {
        // Numbers grow with time, so the first young one ends the count.
        let late = self
            .outstanding
            .values()
            .take_while(|&&at| now.saturating_duration_since(at) > limit);
        late.count() as u64
    }

    /// Books any message as the answer to the oldest waiting one: for servers that do not number.
    pub(crate) fn oldest(&mut self, now: Instant) -> Kind {
        match self.outstanding.pop_first() {
            Some((_, at)) => Kind::Answered(now.saturating_duration_since(at)),
            None => Kind::Unexpected,
        }
    }

    /// Books an answer; `None` if the message is not the answer to a numbered one.
    pub(crate) fn answer(&mut self, now: Instant, answer: &Answer<'_>) -> Option<Judgement> {
        let n = answer.n?;
        let kind = match self.outstanding.remove(&n) {
            Some(at) if n > self.highest => Kind::Answered(now.saturating_duration_since(at)),
            Some(at) => Kind::Reordered(now.saturating_duration_since(at)),
            None if n >= 1 && n <= self.sent => Kind::Doubled,
            None => Kind::Unexpected,
        };
        if kind != Kind::Unexpected {
            self.highest = self.highest.max(n);
            self.contained = answer.taken.map(|taken| (n, taken));
        }
        let before = self.latest.replace(Latest {
            at: now,
            out: answer.out,
        });
        // The first answer may have any count: the player may have been here before.
        let state_break = match (before.and_then(|latest| latest.out), answer.out) {
            (Some(before), Some(out)) => before.checked_add(1) != Some(out),
            _ => false,
        };
        let mut switch = None;
        if let Some(server) = answer.server.as_deref()
            && self.server != server
        {
            if let Some(before) = before.filter(|_| !self.server.is_empty()) {
                switch = Some(Switch {
                    gap: now.saturating_duration_since(before.at),
                });
            }
            server.clone_into(&mut self.server);
        }
        let said = (answer.gaps.unwrap_or(0), answer.doubles.unwrap_or(0));
        let known = std::mem::replace(&mut self.faults_of_server, said);
        Some(Judgement {
            kind,
            state_break,
            switch,
            server_gaps: said.0.saturating_sub(known.0),
            server_doubles: said.1.saturating_sub(known.1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(n: u64, out: u64, server: &'static str) -> Answer<'static> {
        Answer {
            n: Some(n),
            server: Some(server.into()),
            out: Some(out),
            gaps: None,
            doubles: None,
            taken: None,
        }
    }

    #[test]
    fn what_the_state_lacks_shows_in_the_answer_to_the_last_message() {
        let now = Instant::now();
        let mut verifier = Verifier::default();
        (0..5).for_each(|_| {
            verifier.send(now);
        });
        let mut missing_after = |n, taken| {
            let answer = Answer {
                taken,
                ..answer(n, 1, "a")
            };
            verifier.answer(now, &answer).unwrap();
            // A join was sent besides.
            verifier.missing(1)
        };
        assert_eq!(missing_after(4, Some(5)), None, "the last is not answered");
        assert_eq!(missing_after(5, Some(6)), Some(0));
        assert_eq!(missing_after(5, Some(2)), Some(4), "an old state");
        assert_eq!(missing_after(5, Some(7)), Some(-1), "one came twice");
        assert_eq!(missing_after(5, None), None, "the server does not say");
    }

    #[test]
    fn each_fault_is_found_and_named() {
        // Per row: four messages are sent; then answers as (n, out, server); what is counted:
        // answered, reordered, doubled, unexpected, state breaks, switches, still waiting.
        type Row = (
            &'static str,
            &'static [(u64, u64, &'static str)],
            [usize; 7],
        );
        let table: [Row; 10] = [
            (
                "all well",
                &[(1, 1, "a"), (2, 2, "a"), (3, 3, "a"), (4, 4, "a")],
                [4, 0, 0, 0, 0, 0, 0],
            ),
            (
                "a switch",
                &[(1, 1, "a"), (2, 2, "b"), (3, 3, "b"), (4, 4, "a")],
                [4, 0, 0, 0, 0, 2, 0],
            ),
            ("nothing comes", &[], [0, 0, 0, 0, 0, 0, 4]),
            (
                "one lost on its way there",
                &[(1, 1, "a"), (3, 2, "a"), (4, 3, "a")],
                [3, 0, 0, 0, 0, 0, 1],
            ),
            (
                "one lost on its way back",
                &[(1, 1, "a"), (3, 3, "a"), (4, 4, "a")],
                [3, 0, 0, 0, 1, 0, 1],
            ),
            (
                "answer doubled",
                &[(1, 1, "a"), (2, 2, "a"), (2, 2, "a"), (3, 3, "a")],
                [3, 0, 1, 0, 1, 0, 1],
            ),
            (
                "message doubled",
                &[(1, 1, "a"), (2, 2, "a"), (2, 3, "b"), (3, 4, "b")],
                [3, 0, 1, 0, 0, 1, 1],
            ),
            (
                "swapped",
                &[(1, 1, "a"), (3, 2, "a"), (2, 3, "a"), (4, 4, "a")],
                [3, 1, 0, 0, 0, 0, 0],
            ),
            (
                "never asked",
                &[(1, 1, "a"), (9, 2, "a"), (2, 3, "a")],
                [2, 0, 0, 1, 0, 0, 2],
            ),
            (
                "old state",
                &[(1, 1, "a"), (2, 2, "a"), (3, 1, "b"), (4, 2, "b")],
                [4, 0, 0, 0, 1, 1, 0],
            ),
        ];
        for (name, answers, expected) in table {
            let now = Instant::now();
            let mut verifier = Verifier::default();
            for n in 1..=4 {
                assert_eq!(verifier.send(now), n);
            }
            let mut counted = [0; 7];
            for &(n, out, server) in answers {
                let judged = verifier.answer(now, &answer(n, out, server)).unwrap();
                let place = match judged.kind {
                    Kind::Answered(_) => 0,
                    Kind::Reordered(_) => 1,
                    Kind::Doubled => 2,
                    Kind::Unexpected => 3,
                };
                counted[place] += 1;
                counted[4] += usize::from(judged.state_break);
                counted[5] += usize::from(judged.switch.is_some());
            }
            counted[6] = verifier.outstanding();
            assert_eq!(counted, expected, "{name}");
        }
    }

    #[test]
    fn times_and_the_servers_own_counts() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut verifier = Verifier::default();
        verifier.send(after(0));
        verifier.send(after(50));
        assert_eq!(verifier.overdue(after(100), Duration::from_millis(60)), 1);
        let first = verifier.answer(after(5), &answer(1, 1, "a")).unwrap();
        assert_eq!(first.kind, Kind::Answered(Duration::from_millis(5)));
        let second = Answer {
            gaps: Some(2),
            doubles: Some(1),
            ..answer(2, 2, "b")
        };
        let second = verifier.answer(after(70), &second).unwrap();
        assert_eq!(
            second.switch,
            Some(Switch {
                gap: Duration::from_millis(65)
            })
        );
        assert_eq!((second.server_gaps, second.server_doubles), (2, 1));
        verifier.send(after(100));
        let third = Answer {
            gaps: Some(2),
            doubles: Some(3),
            ..answer(3, 3, "b")
        };
        let third = verifier.answer(after(101), &third).unwrap();
        assert_eq!((third.server_gaps, third.server_doubles), (0, 2));
        let none = Answer {
            n: None,
            ..answer(0, 0, "b")
        };
        assert_eq!(verifier.answer(after(102), &none), None);
        assert_eq!(verifier.oldest(after(102)), Kind::Unexpected);
    }
}
