//! What a half-round needs from outside.

use std::time::Duration;

use repo::UnixTime;

use crate::{Buggify, Event, Guard, Limits, Observer, Site};

/// Time, bounds, faults and the observer of one half-round. Nothing else reaches the core.
pub struct Cx<'a> {
    /// Now: the time that is written down, fixed for the half-round.
    pub now: UnixTime,
    /// Tells how time passes within the half-round, for [`Limits::reply_ms`]. None: only bytes bound a reply.
    pub clock: Option<&'a dyn Fn() -> UnixTime>,
    /// Budgets and bounds.
    pub limits: &'a Limits,
    /// Address of whoever sent the request, for the record; none where there is none, and in a client.
    pub peer: Option<&'a str>,
    /// Asked before a password is checked; [`crate::NoGuard`] in a client.
    pub guard: &'a dyn Guard,
    /// Asked at sites where a peer may make a rare but legal choice.
    pub buggify: &'a dyn Buggify,
    /// Told what happens; cannot influence it.
    pub observer: &'a mut dyn Observer,
}

impl Cx<'_> {
    /// Whether the rare choice is taken at a site.
    pub(crate) fn fires(&self, site: Site) -> bool {
        self.buggify.fires(site)
    }

    /// How long ago something was; zero where the clock went back, or does not go on.
    pub(crate) fn since(&self, begun: UnixTime) -> Duration {
        let UnixTime(now) = self.clock.map_or(self.now, |clock| clock());
        Duration::from_millis(u64::try_from(now.saturating_sub(begun.0)).unwrap_or(0))
    }

    /// Tells the observer of an event. It is made here, so that a build with `--cfg frond_unobserved` does not even do
    /// that: what it is measured against. No feature: whichever crate asked for one would blind all the others.
    pub(crate) fn tell<'e>(&mut self, event: impl FnOnce(&Self) -> Event<'e>) {
        if cfg!(frond_unobserved) {
            return;
        }
        #[cfg(test)]
        let event = crate::testing::counted(|| event(self));
        #[cfg(not(test))]
        let event = event(self);
        self.observer.observe(&event);
    }

    /// Does something that another observer is told of too, after the one that is there.
    pub fn watched_by<T>(&mut self, other: &mut dyn Observer, job: impl FnOnce(&mut Cx<'_>) -> T) -> T {
        job(&mut Cx {
            now: self.now,
            clock: self.clock,
            limits: self.limits,
            peer: self.peer,
            guard: self.guard,
            buggify: self.buggify,
            observer: &mut (&mut *self.observer, other),
        })
    }
}
