//! The count of what a script burns, and the decision to stop it.

use std::cell::{Cell, RefCell};

use crate::limits::{Fuel, Verdict};

/// Why a script is stopped. Once stopped, everything it tries is stopped again until it is refuelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the script ran out of fuel")]
    OutOfFuel,
    #[error("the script was killed")]
    Killed,
    #[error("not enough memory")]
    OutOfMemory,
}

/// What is asked while a script runs.
pub(crate) type Interrupt = Box<dyn FnMut(Fuel) -> Verdict>;

/// Counts; shared by the hook and every built-in function that charges.
pub(crate) struct Meter {
    interval: u64,
    limit: Cell<u64>,
    burnt: Cell<u64>,
    /// What was burnt when the interrupt was asked last.
    asked: Cell<u64>,
    stopped: Cell<Option<Stop>>,
    interrupt: RefCell<Option<Interrupt>>,
}

impl Meter {
    pub(crate) fn new(interval: Fuel) -> Self {
        Self {
            interval: interval.0.max(1),
            limit: Cell::new(u64::MAX),
            burnt: Cell::new(0),
            asked: Cell::new(0),
            stopped: Cell::new(None),
            interrupt: RefCell::new(None),
        }
    }

    pub(crate) fn interval(&self) -> u64 {
        self.interval
    }

    /// A new run with this much fuel.
    pub(crate) fn refuel(&self, fuel: Fuel) {
        self.limit.set(fuel.0);
        self.burnt.set(0);
        self.asked.set(0);
        self.stopped.set(None);
    }

    pub(crate) fn set_interrupt(&self, interrupt: Option<Interrupt>) {
        *self.interrupt.borrow_mut() = interrupt;
    }

    pub(crate) fn burnt(&self) -> Fuel {
        Fuel(self.burnt.get())
    }

    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.stopped.get()
    }

    /// Stops the script; the first reason stands.
    pub(crate) fn stop(&self, why: Stop) -> Stop {
        match self.stopped.get() {
            Some(first) => first,
            None => {
                self.stopped.set(Some(why));
                why
            }
        }
    }

    /// Burns fuel; an error is the reason why the script is over.
    pub(crate) fn burn(&self, fuel: u64) -> Result<(), Stop> {
        if let Some(why) = self.stopped.get() {
            return Err(why);
        }
        let burnt = self.burnt.get().saturating_add(fuel);
        self.burnt.set(burnt);
        if burnt > self.limit.get() {
            return Err(self.stop(Stop::OutOfFuel));
        }
        if burnt - self.asked.get() >= self.interval {
            self.asked.set(burnt);
            self.ask(burnt)?;
        }
        Ok(())
    }

    fn ask(&self, burnt: u64) -> Result<(), Stop> {
        // Taken out while it is asked: it may look at the sandbox, and the sandbox at us.
        let Some(mut interrupt) = self.interrupt.borrow_mut().take() else {
            return Ok(());
        };
        let verdict = interrupt(Fuel(burnt));
        let mut place = self.interrupt.borrow_mut();
        if place.is_none() {
            *place = Some(interrupt);
        }
        match verdict {
            Verdict::GoOn => Ok(()),
            Verdict::Stop => Err(self.stop(Stop::Killed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn fuel_ends_and_stays_ended_until_refuelled() {
        let meter = Meter::new(Fuel(10));
        meter.refuel(Fuel(15));
        assert_eq!(meter.burn(15), Ok(()));
        assert_eq!(meter.burn(1), Err(Stop::OutOfFuel));
        assert_eq!(meter.burn(0), Err(Stop::OutOfFuel));
        assert_eq!(meter.burnt(), Fuel(16));
        meter.refuel(Fuel(1));
        assert_eq!(meter.burn(1), Ok(()));
    }

    #[test]
    fn the_interrupt_is_asked_once_an_interval() {
        let asked = Rc::new(Cell::new(0));
        let meter = Meter::new(Fuel(10));
        meter.refuel(Fuel::UNLIMITED);
        let counter = asked.clone();
        meter.set_interrupt(Some(Box::new(move |_| {
            counter.set(counter.get() + 1);
            if counter.get() == 3 {
                Verdict::Stop
            } else {
                Verdict::GoOn
            }
        })));
        for _ in 0..29 {
            assert_eq!(meter.burn(1), Ok(()));
        }
        assert_eq!(asked.get(), 2);
        assert_eq!(meter.burn(1), Err(Stop::Killed));
        assert_eq!(meter.burn(1), Err(Stop::Killed));
        assert_eq!(asked.get(), 3);
    }
}
