//! What was lost, who was closed, and who acted, as three sides tell it: the players, the edge, the servers.

use std::collections::BTreeMap;

use atlas_demo::load::{Account, Report};
use atlas_demo::server::Acted;
use serde_json::Value;

use crate::faults::Done;
use crate::world::Metrics;

/// Everything that was told.
pub(crate) struct Ledger<'a> {
    pub(crate) report: &'a Report,
    /// The edge's sessions shortly before the players left.
    pub(crate) sessions: &'a [Value],
    pub(crate) metrics: &'a Metrics,
    pub(crate) done: &'a Done,
    pub(crate) acted: &'a [Acted],
}

impl Ledger<'_> {
    /// What does not agree, in words; nothing if all is well.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        self.closes(&mut faults);
        self.losses(&mut faults);
        self.authorities(&mut faults);
        let report = self.report;
        for (what, count) in [
            ("dials failed", report.dials_failed),
            ("reordered answers", report.reordered),
            ("answers to nothing", report.unexpected),
            (
                "players whose last message had no answer",
                report.accounts.unsettled,
            ),
        ] {
            if count > 0 {
                faults.push(format!("{count} {what}"));
            }
        }
        let failovers = self.transfers("failover", "done");
        if report.doubled > 0 && failovers == 0 {
            faults.push(format!(
                "{} doubled answers without a failover",
                report.doubled
            ));
        }
        faults
    }

    pub(crate) fn transfers(&self, reason: &str, outcome: &str) -> u64 {
        self.metrics.sum(
            "atlas_edge_transfers_total",
            &[
                &format!("reason=\"{reason}\""),
                &format!("outcome=\"{outcome}\""),
            ],
        )
    }

    /// Nobody is closed but by what the configuration asks for, and the edge has counted each.
    fn closes(&self, faults: &mut Vec<String>) {
        let mut seen: BTreeMap<u16, u64> = BTreeMap::new();
        // A client that does not read may not see the close that it gets, and what it is for.
        let mut unseen = 0;
        for account in &self.report.accounts.told {
            let Some((code, reason)) = &account.closed else {
                continue;
            };
            match (*code, reason.as_str()) {
                (1006, _) if account.stopped_reading => unseen += 1,
                (1013, "slow-client") if account.stopped_reading => {
                    *seen.entry(1013).or_default() += 1;
                }
                (1011, "two servers were lost soon after the player came") => {
                    *seen.entry(1011).or_default() += 1;
                }
                (1012, reason) if reason.starts_with("the server is being emptied") => {
                    *seen.entry(1012).or_default() += 1;
                }
                _ => faults.push(format!("{} was closed: {code} {reason}", account.player)),
            }
        }
        for code in [1001, 1002, 1007, 1008, 1009, 1011, 1012, 1013] {
            let counted = self.closed_with(code);
            let seen = seen.get(&code).copied().unwrap_or(0);
            let allowed = matches!(code, 1011..=1013);
            match counted.checked_sub(seen) {
                Some(more) if more <= unseen && allowed => unseen -= more,
                Some(0) => {}
                _ => faults.push(format!(
                    "the edge closed {counted} with {code}, the players saw {seen}"
                )),
            }
        }
        if unseen > 0 {
            faults.push(format!(
                "{unseen} connections broke, and the edge closed nobody"
            ));
        }
        let dropped = self
            .done
            .drains
            .iter()
            .map(|drain| drain["dropped"].as_u64());
        let dropped: u64 = dropped.map(|count| count.unwrap_or(0)).sum();
        let counted = self.closed_with(1012);
        if dropped != counted {
            faults.push(format!(
                "the drains dropped {dropped}, the edge closed {counted} with 1012"
            ));
        }
    }

    fn closed_with(&self, code: u16) -> u64 {
        let label = format!("code=\"{code}\"");
        self.metrics
            .sum("atlas_edge_clients_closed_total", &[&label])
    }

    /// What the states at the end lack is what the edge has named: to each player who can be told, and of each session
    /// over the admin API.
    fn losses(&self, faults: &mut Vec<String>) {
        let named_of = |player: &str| {
            let of_player = |session: &&Value| session["player"] == player;
            let session = self.sessions.iter().find(of_player)?;
            session["lost_input"].as_u64()
        };
        let mut named = 0;
        let mut untold = 0;
        for account in &self.report.accounts.told {
            let Account {
                player,
                missing,
                lost_named,
                ..
            } = account;
            let by_edge = named_of(player);
            if account.closed.is_some() {
                named += lost_named;
                untold += u64::from(!account.atlas);
                continue;
            }
            let by_edge = by_edge.unwrap_or(0);
            named += by_edge;
            if *missing != i64::try_from(by_edge).ok() {
                faults.push(format!(
                    "the edge says {by_edge} messages of {player} are lost, the state lacks {missing:?}"
                ));
            }
            if account.atlas && *lost_named != by_edge {
                faults.push(format!(
                    "{player} was told of {lost_named} lost messages of {by_edge}"
                ));
            }
            if account.unanswered > by_edge {
                let unanswered = account.unanswered;
                faults.push(format!(
                    "{unanswered} messages of {player} had no answer, and {by_edge} were named"
                ));
            }
        }
        let total = self.metrics.sum("atlas_edge_input_lost_total", &[]);
        // Sessions of players who were closed and could not be told are in the total alone.
        if total < named || (untold == 0 && total != named) {
            faults.push(format!(
                "the edge counted {total} lost messages in all and named {named}"
            ));
        }
    }

    /// Whoever acted under an epoch had stopped before anybody acted under a newer one.
    fn authorities(&self, faults: &mut Vec<String>) {
        let mut acted: Vec<&Acted> = self.acted.iter().collect();
        acted.sort_by_key(|acted| (acted.session.as_u128(), acted.epoch));
        for pair in acted.windows(2) {
            let (old, new) = (pair[0], pair[1]);
            if old.session != new.session {
                continue;
            }
            if old.epoch == new.epoch {
                faults.push(format!(
                    "two servers acted under one epoch: {old:?}, {new:?}"
                ));
            } else if old.last_us > new.first_us {
                faults.push(format!(
                    "a server acted under an old epoch: {old:?}, {new:?}"
                ));
            }
        }
    }
}
