//! A newer view: what is known of the world changes under sessions that go on.

use std::sync::Arc;

use super::Worker;
use super::allowance::Rates;
use super::plain::About;
use crate::servers::View;

impl Worker {
    /// Takes the newest view. No connection is touched: sessions look at the new world from their next message on, and
    /// whoever is at a server that is gone stays there.
    pub(super) fn renew(&mut self) {
        let view = self.shared.view.load_full();
        let rates = Rates::new(&view.edge.limits);
        self.message_bytes_max = view.edge.limits.message_bytes_max.0;
        // A bucket that was filled at another rate says nothing about this one.
        let fresh = (rates != self.rates).then_some((rates, self.now));
        self.rates = rates;
        for (_, session) in &mut self.plain {
            session.renew(&view, fresh);
        }
        for (_, session) in &mut self.movable {
            session.renew(&view, fresh);
        }
        for (_, link) in &mut self.links {
            if let Some(session) = self.movable.get(link.session)
                && let Some(server) = session.about.world.server(link.server.id)
            {
                link.server = Arc::clone(server);
            }
        }
        self.view = view;
        self.handshakes_renew();
    }
}

impl About {
    /// The same world and server as the view has them; what it has not stays as it was.
    pub(super) fn renew(&mut self, view: &View) {
        let Some(world) = view.world(&self.world.name) else {
            return;
        };
        self.world = Arc::clone(world);
        if let Some(server) = world.server(self.server.id) {
            self.server = Arc::clone(server);
        }
    }
}
