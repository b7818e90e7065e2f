//! The least level that is logged, which may change while the process runs. It is one atomic; who logs does not even read that,
//! but what tracing keeps for each place in the code, which is reckoned anew when the level changes. Who logs takes no lock.

use std::sync::atomic::{AtomicU8, Ordering};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber, callsite};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Libraries that would log whole messages, or what the other end says, and keys with them, below `warn`.
const CAPPED: [&str; 7] = ["tower_lsp_server", "tower_lsp", "h2", "hyper", "hyper_util", "rustls", "reqwest"];
/// From the gravest on: a level is its place here.
const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

static PLACE: AtomicU8 = AtomicU8::new(2);

/// Lets through what is at least so grave.
pub struct Least;

/// From now on this level is the least.
pub fn set(level: Level) {
    let place = LEVELS.iter().take_while(|other| **other < level).count();
    PLACE.store(place as u8, Ordering::Relaxed);
    callsite::rebuild_interest_cache();
}

fn least() -> Level {
    LEVELS[usize::from(PLACE.load(Ordering::Relaxed))]
}

fn passes(target: &str, level: Level, least: Level) -> bool {
    let capped = || CAPPED.iter().any(|library| target.starts_with(library));
    level <= least && (level <= Level::WARN || !capped())
}

impl<S: Subscriber> Layer<S> for Least {
    fn register_callsite(&self, place: &'static Metadata<'static>) -> Interest {
        match passes(place.target(), *place.level(), least()) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, place: &Metadata<'_>, _: Context<'_, S>) -> bool {
        passes(place.target(), *place.level(), least())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(least().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_that_log_whole_messages_are_capped() {
        for target in CAPPED {
            let inside = format!("{target}::inside");
            assert!(passes(&inside, Level::WARN, Level::TRACE), "{target}");
            assert!(!passes(&inside, Level::INFO, Level::TRACE), "{target}");
            assert!(!passes(&inside, Level::WARN, Level::ERROR), "{target}");
        }
        assert!(passes("gemini_aggregator", Level::TRACE, Level::TRACE));
        assert!(!passes("gemini_aggregator", Level::DEBUG, Level::INFO));
    }

    #[test]
    fn the_level_that_was_set_last_is_the_least() {
        for level in LEVELS {
            set(level);
            assert_eq!(least(), level);
        }
        set(Level::INFO);
    }
}
