//! The search for the highest rate that holds: it doubles the rate until one fails, and then bisects
//! between the highest rate that held and the lowest that failed.

/// The search ends once the lowest rate that failed is at most this factor above the highest that
/// held.
const PRECISION: f64 = 1.05;

/// Lowest rate that is tried, in requests a second.
const MIN_RATE: f64 = 0.1;

/// A search under way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Search {
    held: Option<f64>,
    broke: Option<f64>,
    /// Upper limit of the rates that are tried.
    highest: Option<f64>,
    next: f64,
}

impl Search {
    /// A search that begins at the rate `first`, and goes no higher than `highest`.
    pub(crate) fn new(first: f64, highest: Option<f64>) -> Self {
        Self {
            held: None,
            broke: None,
            highest,
            next: highest.map_or(first, |highest| first.min(highest)),
        }
    }

    /// The rate to try next; none if the search is over.
    pub(crate) fn next(&self) -> Option<f64> {
        let is_close = match (self.held, self.broke) {
            (Some(held), Some(broke)) => broke <= held * PRECISION,
            (Some(held), None) => self.highest.is_some_and(|highest| held >= highest),
            (None, Some(broke)) => broke <= MIN_RATE,
            (None, None) => false,
        };
        (!is_close).then_some(self.next)
    }

    /// Records whether the rate of [`next`](Self::next) held.
    pub(crate) fn record(&mut self, held: bool) {
        *(if held { &mut self.held } else { &mut self.broke }) = Some(self.next);
        self.next = match (self.held, self.broke) {
            (Some(held), Some(broke)) => (held + broke) / 2.0,
            (Some(held), None) => {
                self.highest.map_or(held * 2.0, |highest| highest.min(held * 2.0))
            }
            (None, Some(broke)) => (broke / 2.0).max(MIN_RATE),
            (None, None) => self.next,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches a system in which all rates up to `limit` hold; returns the result and the rates
    /// that were tried.
    fn search(first: f64, highest: Option<f64>, limit: f64) -> (Option<f64>, Vec<f64>) {
        let (mut search, mut tried) = (Search::new(first, highest), Vec::new());
        while let Some(rate) = search.next() {
            assert!(tried.len() < 40, "it does not end: {tried:?}");
            tried.push(rate);
            search.record(rate <= limit);
        }
        (search.held, tried)
    }

    #[test]
    fn limit_is_found_to_five_percent_from_any_start() {
        for limit in [0.2, 3.0, 77.0, 1300.0, 20_000.0] {
            for first in [0.1, 10.0, 1000.0, 50_000.0] {
                let (found, tried) = search(first, None, limit);
                let found = found.expect("a rate that holds");
                assert!(
                    found <= limit && limit < found * PRECISION + f64::EPSILON,
                    "{first}, {limit}: {tried:?}"
                );
                assert!(tried.len() < 30, "{first}, {limit}: {tried:?}");
            }
        }
    }

    #[test]
    fn search_doubles_and_then_bisects() {
        assert_eq!(
            search(10.0, None, 65.0),
            (Some(65.0), vec![10.0, 20.0, 40.0, 80.0, 60.0, 70.0, 65.0, 67.5])
        );
    }

    #[test]
    fn search_stays_below_the_highest_rate() {
        assert_eq!(search(10.0, Some(50.0), 1000.0), (Some(50.0), vec![10.0, 20.0, 40.0, 50.0]));
        assert_eq!(search(100.0, Some(50.0), 1000.0), (Some(50.0), vec![50.0]));
    }

    #[test]
    fn search_ends_if_no_rate_holds() {
        let (found, tried) = search(10.0, None, 0.0);
        assert_eq!((found, tried.last()), (None, Some(&MIN_RATE)));
    }
}
