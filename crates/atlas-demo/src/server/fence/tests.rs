use super::*;

const SESSION: SessionId = SessionId::from_u128(7);
const LEASE_MS: u64 = 1_000;
const WINDOW_MS: u64 = 10_000;

/// What is done to the table in one row of a script; link and epoch are its numbers.
#[derive(Clone, Copy, Debug)]
enum Do {
    Attach(Link, u64),
    /// The same with a state, whose `out` is this.
    AttachWith(Link, u64, u64),
    Adopt(Link, u64, u128),
    Commit(Link, u64, u128),
    Freeze(Link, u64, u128),
    Abort(Link, u64, u128),
    Detach(Link, u64),
    Lost(Link),
    Heard(Link),
    /// A data message on that link.
    Act(Link),
    Wait(u64),
    Sweep,
}
use Do::*;

/// What comes of it, as a short word: what an edge would be told, or what an observer would see.
fn perform(table: &mut Fences, now: &mut u64, step: Do) -> String {
    let at = Moment::from_millis(*now);
    let transfer = TransferId::from_u128;
    let terms = |link, epoch, out: Option<u64>| Terms {
        link,
        session: SESSION,
        epoch: Epoch(epoch),
        state: out.map(|out| PlayerState {
            out,
            ..PlayerState::default()
        }),
        lease: Duration::from_millis(LEASE_MS),
        orphan_window: Duration::from_millis(WINDOW_MS),
    };
    let refused = |refused: Refused| {
        format!(
            "{} {}",
            refused.reason,
            refused
                .newest
                .map_or("-".to_owned(), |newest| newest.to_string())
        )
    };
    let taken = |taken: Result<Taken, Refused>| match taken {
        Ok(taken) => {
            let state = if taken.has_state { "state" } else { "new" };
            taken
                .superseded
                .map_or(state.to_owned(), |link| format!("{state} closes {link}"))
        }
        Err(error) => refused(error),
    };
    match step {
        Attach(link, epoch) => taken(table.attach(at, terms(link, epoch, None))),
        AttachWith(link, epoch, out) => taken(table.attach(at, terms(link, epoch, Some(out)))),
        Adopt(link, epoch, id) => {
            taken(table.adopt(at, terms(link, epoch, Some(40)), transfer(id)))
        }
        Commit(link, epoch, id) => {
            let done = table.commit(at, link, SESSION, Epoch(epoch), transfer(id));
            done.map_or_else(refused, |()| "ok".to_owned())
        }
        Freeze(link, epoch, id) => table
            .freeze(link, SESSION, Epoch(epoch), transfer(id))
            .map_or_else(refused, |held| {
                format!(
                    "out {} received {} sent {}",
                    held.state.out, held.received, held.sent
                )
            }),
        Abort(link, epoch, id) => table
            .abort(link, SESSION, Epoch(epoch), transfer(id))
            .to_string(),
        Detach(link, epoch) => table.detach(at, link, SESSION, Epoch(epoch)).to_string(),
        Lost(link) => {
            table.lost(at, link, SESSION);
            String::new()
        }
        // After how long a silence is asked first: hearing ends it.
        Heard(link) => {
            let silent = table.is_silent(at, link, SESSION);
            table.heard(at, link, SESSION);
            silent.to_string()
        }
        Act(link) => match table.act(at, link, SESSION, Epoch(u64::MAX), 1) {
            Some(act) => {
                act.state.out += 1;
                format!("out {}", act.state.out)
            }
            None => "no".to_owned(),
        },
        Wait(ms) => {
            *now += ms;
            String::new()
        }
        Sweep => {
            table.sweep(at);
            table.census(at).remembered.to_string()
        }
    }
}

#[test]
fn every_rule_by_script() {
    type Script = &'static [(Do, &'static str)];
    let scripts: &[(&str, Script)] = &[
        (
            "a higher attach closes the older link, which has no effect any more",
            &[
                (Attach(1, 1), "new"),
                (Act(1), "out 1"),
                (Attach(2, 2), "state closes 1"),
                (Act(1), "no"),
                (Act(2), "out 2"),
            ],
        ),
        (
            "a higher adopt does so too, although it does not act yet",
            &[
                (Attach(1, 1), "new"),
                (Adopt(2, 2, 9), "state closes 1"),
                (Act(1), "no"),
                (Act(2), "no"),
                (Commit(2, 2, 9), "ok"),
                (Act(2), "out 41"),
            ],
        ),
        (
            "lower and equal epochs are stale",
            &[
                (Attach(1, 5), "new"),
                (Attach(2, 4), "stale 5"),
                (Attach(2, 5), "stale 5"),
                (Adopt(2, 5, 9), "stale 5"),
                (Adopt(2, 1, 9), "stale 5"),
                (Act(1), "out 1"),
            ],
        ),
        (
            "also after a detach, until the orphan window ends",
            &[
                (Attach(1, 5), "new"),
                (Detach(1, 5), "true"),
                (Attach(2, 5), "stale 5"),
                (Wait(WINDOW_MS - 1), ""),
                (Sweep, "1"),
                (Attach(2, 4), "stale 5"),
                (Wait(1), ""),
                (Sweep, "0"),
                (Attach(2, 1), "new"),
            ],
        ),
        (
            "an attach doubled on its link is answered the same",
            &[
                (AttachWith(1, 5, 7), "state"),
                (Act(1), "out 8"),
                (AttachWith(1, 5, 7), "state"),
                (Act(1), "out 9"),
            ],
        ),
        (
            "a freeze stops everything until an abort of the same transfer",
            &[
                (Attach(1, 1), "new"),
                (Act(1), "out 1"),
                (Act(1), "out 2"),
                (Freeze(1, 2, 9), "out 2 received 2 sent 2"),
                (Act(1), "no"),
                (Freeze(1, 2, 9), "out 2 received 2 sent 2"),
                (Abort(1, 2, 8), "false"),
                (Act(1), "no"),
                (Abort(1, 2, 9), "true"),
                (Act(1), "out 3"),
                (Freeze(1, 3, 10), "out 3 received 3 sent 3"),
            ],
        ),
        (
            "never thaw by the own clock: frozen stays frozen past lease and a lost link",
            &[
                (Attach(1, 1), "new"),
                (Act(1), "out 1"),
                (Freeze(1, 2, 9), "out 1 received 1 sent 1"),
                (Wait(LEASE_MS * 3), ""),
                (Heard(1), "true"),
                (Act(1), "no"),
                (Lost(1), ""),
                (Act(1), "no"),
                (Abort(1, 2, 9), "false"),
                (Wait(WINDOW_MS - 1), ""),
                (Sweep, "1"),
                (Act(1), "no"),
                (Attach(2, 2), "state"),
                (Act(2), "out 2"),
            ],
        ),
        (
            "the frozen source takes its player back by the attempt's own epoch or a later one",
            &[
                (Attach(1, 1), "new"),
                (Freeze(1, 2, 9), "out 0 received 0 sent 0"),
                (Adopt(1, 3, 10), "state"),
                (Act(1), "no"),
                (Commit(1, 3, 10), "ok"),
                (Act(1), "out 41"),
            ],
        ),
        (
            "adopted stays adopted until committed, aborted or superseded",
            &[
                (Adopt(1, 2, 9), "state"),
                (Wait(LEASE_MS * 3), ""),
                (Act(1), "no"),
                (Lost(1), ""),
                (Sweep, "1"),
                (Commit(1, 2, 9), "stale 2"),
                (Adopt(2, 3, 10), "state"),
                (Abort(2, 3, 10), "true"),
                (Commit(2, 3, 10), "not-adopted 3"),
                (Adopt(2, 4, 11), "state"),
                (Commit(2, 4, 11), "ok"),
                (Act(2), "out 41"),
            ],
        ),
        (
            "a commit needs its own epoch and transfer; doubled, it is answered the same",
            &[
                (Adopt(1, 2, 9), "state"),
                (Commit(1, 1, 9), "stale 2"),
                (Commit(1, 3, 9), "stale 2"),
                (Commit(1, 2, 8), "not-adopted 2"),
                (Act(1), "no"),
                (Commit(1, 2, 9), "ok"),
                (Act(1), "out 41"),
                (Commit(1, 2, 9), "ok"),
                (Act(1), "out 42"),
            ],
        ),
        (
            "a commit counts from 0 again",
            &[
                (Attach(1, 1), "new"),
                (Act(1), "out 1"),
                (Freeze(1, 2, 9), "out 1 received 1 sent 1"),
                (Adopt(1, 3, 10), "state"),
                (Commit(1, 3, 10), "ok"),
                (Act(1), "out 41"),
                (Freeze(1, 4, 11), "out 41 received 1 sent 1"),
            ],
        ),
        (
            "an authority that heard nothing for its lease acts no more until it hears again",
            &[
                (Attach(1, 1), "new"),
                (Wait(LEASE_MS - 1), ""),
                (Act(1), "out 1"),
                (Wait(1), ""),
                (Act(1), "no"),
                (Heard(1), "true"),
                (Act(1), "out 2"),
                (Wait(LEASE_MS - 1), ""),
                (Heard(1), "false"),
                (Wait(LEASE_MS - 1), ""),
                (Act(1), "out 3"),
            ],
        ),
        (
            "silence counts for the frozen and the adopted too: their abort or commit may be as old",
            &[
                (Attach(1, 1), "new"),
                (Freeze(1, 2, 9), "out 0 received 0 sent 0"),
                (Wait(LEASE_MS), ""),
                (Heard(1), "true"),
                (Abort(1, 2, 9), "true"),
                (Adopt(1, 3, 10), "state"),
                (Wait(LEASE_MS), ""),
                (Heard(1), "true"),
                (Detach(1, 3), "true"),
                (Wait(LEASE_MS), ""),
                (Heard(1), "false"),
            ],
        ),
        (
            "a superseded link can do nothing",
            &[
                (Attach(1, 1), "new"),
                (Attach(2, 2), "new closes 1"),
                (Freeze(1, 3, 9), "stale 2"),
                (Detach(1, 3), "false"),
                (Abort(1, 3, 9), "false"),
                (Commit(1, 3, 9), "stale 2"),
                (Lost(1), ""),
                (Heard(1), "false"),
                (Act(2), "out 1"),
                (Wait(WINDOW_MS * 2), ""),
                (Sweep, "1"),
            ],
        ),
        (
            "old control messages do nothing",
            &[
                (Attach(1, 5), "new"),
                (Freeze(1, 4, 9), "stale 5"),
                (Detach(1, 4), "false"),
                (Act(1), "out 1"),
                (Freeze(1, 6, 9), "out 1 received 1 sent 1"),
                (Abort(1, 5, 9), "false"),
                (Act(1), "no"),
            ],
        ),
        (
            "after a transfer away nothing is left but the epoch",
            &[
                (Attach(1, 1), "new"),
                (Act(1), "out 1"),
                (Freeze(1, 2, 9), "out 1 received 1 sent 1"),
                (Detach(1, 2), "true"),
                (Act(1), "no"),
                (Adopt(2, 2, 9), "state"),
                (Adopt(3, 1, 9), "stale 2"),
            ],
        ),
        (
            "a session this server never saw",
            &[
                (Freeze(1, 1, 9), "unknown -"),
                (Commit(1, 1, 9), "unknown -"),
                (Abort(1, 1, 9), "false"),
                (Detach(1, 1), "false"),
                (Act(1), "no"),
            ],
        ),
        (
            "a full server takes no new session, but a known one",
            &[(Attach(1, 1), "new"), (Attach(1, 2), "new")],
        ),
    ];
    for (name, script) in scripts {
        let mut table = Fences::new(1, false);
        let mut now = 0;
        for (place, &(step, expected)) in script.iter().enumerate() {
            let got = perform(&mut table, &mut now, step);
            assert_eq!(got, expected, "{name}: step {place}, {step:?}");
        }
    }
}

#[test]
fn a_full_table_refuses_the_next_session() {
    let mut table = Fences::new(2, false);
    let mut attach = |session| {
        let terms = Terms {
            link: 1,
            session: SessionId::from_u128(session),
            epoch: Epoch(1),
            state: None,
            lease: Duration::from_secs(1),
            orphan_window: Duration::from_secs(1),
        };
        table.attach(Moment::ZERO, terms)
    };
    assert!(attach(1).is_ok() && attach(2).is_ok());
    assert_eq!(
        attach(3),
        Err(Refused {
            reason: "full",
            newest: None
        })
    );
}

#[test]
fn the_audit_finds_an_effect_under_an_old_epoch() {
    let mut table = Fences::new(1, false);
    let mut now = 0;
    perform(&mut table, &mut now, Attach(1, 5));
    let mut stale = |under| {
        table
            .act(Moment::ZERO, 1, SESSION, Epoch(under), 1)
            .map(|act| act.stale)
    };
    assert_eq!(stale(5), Some(false));
    assert_eq!(stale(4), Some(true));
}
