//! The directory: what becomes of the requests to it.

use atlas_world::{Outcome, Record};

use super::{
    coverage::Fault,
    invariants::Fact,
    queue::{Fate, Happening},
    world::World,
};

/// A request on its way, or held back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) player: usize,
    pub(super) number: u64,
    pub(super) expected: Option<Record>,
    pub(super) record: Option<Record>,
    /// It has reached the directory.
    pub(super) arrived: bool,
}

impl World<'_> {
    pub(super) fn request(
        &mut self,
        player: usize,
        request: u64,
        expected: Option<Record>,
        record: Option<Record>,
    ) {
        self.players[player].requests += 1;
        if let Some(record) = record
            && (record.transfer.is_some() || record.previous.is_none())
            && record.epoch > self.players[player].excuse.asked_epoch
        {
            let excuse = &mut self.players[player].excuse;
            excuse.asked_epoch = record.epoch;
            excuse.asked_at = self.now;
        }
        let index = self.requests.len();
        self.requests.push(Request {
            player,
            number: request,
            expected,
            record,
            arrived: false,
        });
        let fault = self.store_fault(player, record.is_some());
        if let Some(fault) = fault {
            self.strike(fault, player);
        }
        let given_up = self.now + self.random.between(50, 1_500);
        let arrives = self.now + self.delay();
        let store = |fate| Happening::Store {
            request: index,
            fate,
        };
        match fault {
            None => self.queue.plan(arrives, store(Fate::Good)),
            Some(Fault::CasRefused) => self.queue.plan(arrives, store(Fate::Refused)),
            Some(Fault::CasUnanswered) => {
                self.queue.plan(arrives, store(Fate::Unanswered));
                self.unknown(player, request, given_up);
            }
            Some(Fault::CasLate) => {
                let late = given_up + self.random.between(1, 6_000);
                self.queue.plan(late, store(Fate::Unanswered));
                self.players[player].late_requests.push(index);
                self.unknown(player, request, given_up);
            }
            // It never arrives.
            Some(_) => {
                self.requests[index].arrived = true;
                self.players[player].requests -= 1;
                self.unknown(player, request, given_up);
            }
        }
    }

    /// What goes wrong with a request, if anything does.
    fn store_fault(&mut self, player: usize, sets: bool) -> Option<Fault> {
        if self.now < self.directory_away_until {
            return Some(Fault::Outage);
        }
        let plan = &self.plan;
        let rates = if sets {
            [
                (Fault::CasRefused, plan.cas_refused),
                (Fault::CasLost, plan.cas_lost),
                (Fault::CasUnanswered, plan.cas_unanswered),
                (Fault::CasLate, plan.cas_late),
            ]
        } else {
            [(Fault::ReadUnknown, plan.read_unknown); 4]
        };
        rates
            .into_iter()
            .find(|(fault, rate)| self.hits(*fault, player, *rate))
            .map(|(fault, _)| fault)
    }

    fn unknown(&mut self, player: usize, request: u64, at: u64) {
        let outcome = Outcome::Unknown;
        let happening = Happening::Stored {
            player,
            request,
            outcome,
        };
        self.queue.plan(at, happening);
        self.around_unknown(player);
    }

    /// A request reaches the directory.
    pub(super) fn store(&mut self, index: usize, fate: Fate) {
        let Request {
            player,
            number: request,
            expected,
            record,
            arrived,
        } = self.requests[index];
        if arrived {
            return;
        }
        self.requests[index].arrived = true;
        let it = &mut self.players[player];
        it.requests -= 1;
        if let Some(at) = it.late_requests.iter().position(|late| *late == index) {
            it.late_requests.remove(at);
            self.strike(Fault::CasLate, player);
        }
        let it = &mut self.players[player];
        let outcome = match record {
            None => Outcome::Is(it.truth),
            Some(_) if fate == Fate::Refused => Outcome::Lost(it.truth),
            Some(record) if it.truth == expected => {
                it.truth = Some(record);
                Outcome::Won
            }
            Some(_) => Outcome::Lost(it.truth),
        };
        self.trace.line(self.now, || {
            format!("directory, player {player}, request {request} ({fate:?}): {outcome:?}")
        });
        if let (Outcome::Won, Some(record)) = (outcome, record) {
            self.see(player, &Fact::Stored { record });
            // A good moment for the other edge: the server hears of it before it hears of this one.
            if self.random.chance(self.plan.rival * 5) {
                self.queue.plan(self.now, Happening::Rival(player));
            }
        }
        if matches!(fate, Fate::Good | Fate::Refused) {
            let at = self.now + self.delay();
            self.queue.plan(
                at,
                Happening::Stored {
                    player,
                    request,
                    outcome,
                },
            );
        }
    }
}
