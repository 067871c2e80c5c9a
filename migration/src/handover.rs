//! Who has the guest: the two sides' states while it moves, and nothing else.
//!
//! The rule is that exactly one side runs it. The source holds it until the destination has said
//! that it has loaded everything; then the source commits, which it never takes back, and only
//! after that it tells the destination to go; the destination runs nothing before it is told. So
//! whatever is lost, delayed or cut in between, at no time may both run it. What no protocol can
//! exclude (the last message can always be lost) is that neither does: a source that has committed
//! and hears nothing more does not start the guest by itself, and its user is told.
//!
//! The states are values with one function each, so that a test can go through every order of
//! events. Threads, channels and virtual machines are elsewhere ([`crate::outgoing`],
//! [`crate::incoming`]).

/// The source's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// The guest is here and may be taken back at any time.
    Holding,
    /// The last bytes for a destination that cannot answer are on their way.
    Finishing,
    /// The destination has everything and is told to go: never again does the guest run here by
    /// itself.
    Committed,
    /// The destination has said that it has started.
    Confirmed,
    /// Nobody knows what became of the destination.
    Unconfirmed,
    /// The guest is here and stays.
    Kept {
        /// Because the user said so.
        cancelled: bool,
    },
}

/// What happens at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SourceEvent {
    /// The destination has loaded and verified everything.
    Loaded,
    /// The destination has started the guest, or left it standing as it was.
    Started,
    /// Everything but the stream's end is written, and nobody can answer.
    Finish,
    /// The end is written, and the channel has taken all of it to its place.
    Finished,
    /// The channel is closed or stalled, or one of the sides gives up.
    Lost,
    /// The user gives up.
    Cancel,
}

impl Source {
    /// The state after an event. Events that mean nothing in a state change nothing.
    pub(crate) fn after(self, event: SourceEvent) -> Self {
        use SourceEvent::{Cancel, Finish, Finished, Loaded, Lost, Started};
        match (self, event) {
            (Self::Holding, Loaded) => Self::Committed,
            (Self::Holding, Finish) => Self::Finishing,
            (Self::Holding, Cancel) => Self::Kept { cancelled: true },
            (Self::Holding | Self::Finishing, Lost) => Self::Kept { cancelled: false },
            (Self::Finishing, Finished) | (Self::Committed, Started) => Self::Confirmed,
            (Self::Committed, Lost) => Self::Unconfirmed,
            // A destination that claims to have started untold is broken; it is not believed.
            (state, _) => state,
        }
    }

    /// Whether the guest may be started here without a user's explicit word.
    #[cfg(test)]
    pub(crate) fn may_run(self) -> bool {
        matches!(self, Self::Holding | Self::Kept { .. })
    }
}

/// The destination's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Destination {
    /// The guest is on its way.
    Loading,
    /// It is here, complete and verified, and waits for the source's word.
    Loaded,
    /// It is this side's.
    Started,
    /// It did not come, or not the whole of it.
    Refused,
}

/// What happens at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum DestinationEvent {
    /// Everything is loaded and verified; the source waits for an answer.
    Complete,
    /// Everything is loaded and verified; the source cannot be answered.
    CompleteOneWay,
    /// The source says to go.
    Go,
    /// The channel is closed or stalled, or one of the sides gives up.
    Lost,
}

impl Destination {
    /// The state after an event. Events that mean nothing in a state change nothing.
    pub(crate) fn after(self, event: DestinationEvent) -> Self {
        use DestinationEvent::{Complete, CompleteOneWay, Go, Lost};
        match (self, event) {
            (Self::Loading, Complete) => Self::Loaded,
            (Self::Loading, CompleteOneWay) | (Self::Loaded, Go) => Self::Started,
            (Self::Loading | Self::Loaded, Lost) => Self::Refused,
            (state, _) => state,
        }
    }

    /// Whether the guest is started here.
    pub(crate) fn has_started(self) -> bool {
        self == Self::Started
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Messages that count. All others are data before them.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    enum Message {
        End,
        Loaded,
        Go,
        Started,
    }

    /// One direction of a channel: what is on its way, and whether more can come.
    #[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
    struct Way {
        messages: Vec<Message>,
        cut: bool,
    }

    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    struct World {
        source: Source,
        destination: Destination,
        there: Way,
        back: Way,
        end_sent: bool,
        source_dead: bool,
        destination_dead: bool,
    }

    impl World {
        fn start() -> Self {
            Self {
                source: Source::Holding,
                destination: Destination::Loading,
                there: Way::default(),
                back: Way::default(),
                end_sent: false,
                source_dead: false,
                destination_dead: false,
            }
        }

        fn source_event(&mut self, event: SourceEvent) {
            let before = self.source;
            self.source = before.after(event);
            if before == Source::Holding && self.source == Source::Committed && !self.there.cut {
                self.there.messages.push(Message::Go);
            }
        }

        fn destination_event(&mut self, event: DestinationEvent) {
            let before = self.destination;
            self.destination = before.after(event);
            if before != self.destination && !self.back.cut {
                match self.destination {
                    Destination::Loaded => self.back.messages.push(Message::Loaded),
                    Destination::Started => self.back.messages.push(Message::Started),
                    _ => {}
                }
            }
        }

        /// Every world that may follow: each with the name of what happened.
        fn successors(&self) -> Vec<(&'static str, Self)> {
            let mut next = Vec::new();
            let mut add = |name, change: &dyn Fn(&mut Self)| {
                let mut world = self.clone();
                change(&mut world);
                if world != *self {
                    next.push((name, world));
                }
            };
            if !self.source_dead {
                if self.source == Source::Holding && !self.end_sent {
                    add("source sends the end", &|w| {
                        w.end_sent = true;
                        if !w.there.cut {
                            w.there.messages.push(Message::End);
                        }
                    });
                }
                add("user cancels", &|w| {
                    w.source_event(SourceEvent::Cancel);
                    if matches!(w.source, Source::Kept { .. }) {
                        w.there.cut = true;
                    }
                });
                // A time-out may come at any moment, whatever is on its way.
                add("source gives up", &|w| {
                    w.source_event(SourceEvent::Lost);
                    w.there.cut = true;
                });
                if let Some(message) = self.back.messages.first().copied() {
                    add("source receives", &move |w| {
                        w.back.messages.remove(0);
                        match message {
                            Message::Loaded => w.source_event(SourceEvent::Loaded),
                            Message::Started => w.source_event(SourceEvent::Started),
                            Message::End | Message::Go => {}
                        }
                    });
                }
                add("source dies", &|w| {
                    w.source_dead = true;
                    w.there.cut = true;
                });
            }
            if !self.destination_dead {
                if let Some(message) = self.there.messages.first().copied() {
                    add("destination receives", &move |w| {
                        w.there.messages.remove(0);
                        match message {
                            Message::End => w.destination_event(DestinationEvent::Complete),
                            Message::Go => w.destination_event(DestinationEvent::Go),
                            Message::Loaded | Message::Started => {}
                        }
                    });
                }
                add("destination gives up", &|w| {
                    w.destination_event(DestinationEvent::Lost);
                    if w.destination == Destination::Refused {
                        w.back.cut = true;
                    }
                });
                add("destination dies", &|w| {
                    w.destination_dead = true;
                    w.back.cut = true;
                });
            }
            add("the way there is cut and what is on it lost", &|w| {
                w.there.cut = true;
                w.there.messages.clear();
            });
            add("the way back is cut and what is on it lost", &|w| {
                w.back.cut = true;
                w.back.messages.clear();
            });
            next
        }

        fn source_may_run(&self) -> bool {
            !self.source_dead && self.source.may_run()
        }

        fn destination_runs(&self) -> bool {
            !self.destination_dead && self.destination.has_started()
        }
    }

    /// Every world that can be reached, in every order of events.
    fn all_worlds() -> HashSet<World> {
        let mut found = HashSet::from([World::start()]);
        let mut open = vec![World::start()];
        while let Some(world) = open.pop() {
            for (_, next) in world.successors() {
                if found.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        found
    }

    #[test]
    fn in_no_order_of_events_both_sides_have_the_guest() {
        let worlds = all_worlds();
        assert!(worlds.len() > 100, "{} worlds are too few", worlds.len());
        for world in &worlds {
            assert!(
                !(world.source.may_run() && world.destination.has_started()),
                "{world:?}"
            );
        }
        // The test can fail: a successful move is among them, and a cancelled one.
        assert!(worlds.iter().any(|world| world.source == Source::Confirmed));
        assert!(
            worlds
                .iter()
                .any(|world| world.source == Source::Kept { cancelled: true })
        );
    }

    #[test]
    fn before_the_commit_the_guest_is_the_sources_and_it_is_lost_only_with_it() {
        for world in all_worlds() {
            let committed = matches!(
                world.source,
                Source::Committed | Source::Confirmed | Source::Unconfirmed
            );
            if !committed {
                assert!(world.source.may_run() && !world.destination.has_started());
                assert_eq!(world.source_may_run(), !world.source_dead);
            }
            if world.destination_runs() {
                assert!(committed);
            }
            // The source only commits to a destination that had everything.
            if committed {
                assert_ne!(world.destination, Destination::Loading);
            }
        }
    }

    #[test]
    fn when_nothing_is_lost_and_nobody_gives_up_the_destination_gets_the_guest() {
        let mut world = World::start();
        let calm = [
            "source sends the end",
            "destination receives",
            "source receives",
        ];
        while let Some((_, next)) = world
            .successors()
            .into_iter()
            .find(|(name, _)| calm.contains(name))
        {
            world = next;
        }
        assert_eq!(world.source, Source::Confirmed);
        assert!(world.destination_runs());
    }

    #[test]
    fn one_way_a_cancel_has_no_effect_once_the_end_is_on_its_way() {
        let finishing = Source::Holding.after(SourceEvent::Finish);
        assert_eq!(finishing.after(SourceEvent::Cancel), finishing);
        assert_eq!(finishing.after(SourceEvent::Finished), Source::Confirmed);
        assert_eq!(
            finishing.after(SourceEvent::Lost),
            Source::Kept { cancelled: false }
        );
        let destination = Destination::Loading.after(DestinationEvent::CompleteOneWay);
        assert!(destination.has_started());
        assert!(
            !Destination::Loading
                .after(DestinationEvent::Go)
                .has_started()
        );
    }
}
