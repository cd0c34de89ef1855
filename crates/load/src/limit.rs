//! The search for the highest rate that holds: doubled until one does not, then halved in between.

/// How close the highest rate that holds and the lowest that does not have to come.
const PRECISION: f64 = 1.05;

/// Below this, in requests a second, nothing is looked for.
const MIN_RATE: f64 = 0.1;

/// A search under way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    held: Option<f64>,
    broke: Option<f64>,
    /// Nothing above it is tried.
    highest: Option<f64>,
    next: f64,
}

impl Search {
    /// A search that begins at this rate, and goes no higher than `highest`.
    pub fn new(first: f64, highest: Option<f64>) -> Self {
        Self {
            held: None,
            broke: None,
            highest,
            next: highest.map_or(first, |highest| first.min(highest)),
        }
    }

    /// The rate to try next; none if the search is over.
    pub fn next(&self) -> Option<f64> {
        let is_close = match (self.held, self.broke) {
            (Some(held), Some(broke)) => broke <= held * PRECISION,
            (Some(held), None) => self.highest.is_some_and(|highest| held >= highest),
            (None, Some(broke)) => broke <= MIN_RATE,
            (None, None) => false,
        };
        (!is_close).then_some(self.next)
    }

    /// Takes in whether that rate held.
    pub fn record(&mut self, held: bool) {
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

    /// The highest rate that held so far.
    pub fn held(&self) -> Option<f64> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches where all rates up to `limit` hold; returns what was found and what was tried.
    fn search(first: f64, highest: Option<f64>, limit: f64) -> (Option<f64>, Vec<f64>) {
        let (mut search, mut tried) = (Search::new(first, highest), Vec::new());
        while let Some(rate) = search.next() {
            assert!(tried.len() < 40, "it does not end: {tried:?}");
            tried.push(rate);
            search.record(rate <= limit);
        }
        (search.held(), tried)
    }

    #[test]
    fn the_limit_is_found_to_five_percent_wherever_it_begins() {
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
    fn it_doubles_and_then_halves_the_distance() {
        assert_eq!(
            search(10.0, None, 65.0),
            (Some(65.0), vec![10.0, 20.0, 40.0, 80.0, 60.0, 70.0, 65.0, 67.5])
        );
    }

    #[test]
    fn nothing_above_the_highest_is_tried() {
        assert_eq!(search(10.0, Some(50.0), 1000.0), (Some(50.0), vec![10.0, 20.0, 40.0, 50.0]));
        assert_eq!(search(100.0, Some(50.0), 1000.0), (Some(50.0), vec![50.0]));
    }

    #[test]
    fn where_nothing_holds_it_ends_all_the_same() {
        let (found, tried) = search(10.0, None, 0.0);
        assert_eq!((found, tried.last()), (None, Some(&MIN_RATE)));
    }
}
