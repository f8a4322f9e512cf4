//! Whether a version does worse than the one beside it, by the requests that each has answered.
//!
//! A verdict against it is a test of a hypothesis: that its errors are at most those of the live version and what is allowed on top, or that at most one
//! in twenty of its answers takes longer than is allowed. The chance of what was seen, where that is so, is that of the tail of a binomial distribution. It
//! has to be below [`CHANCE`], so that a version that does as well as the live one is hardly ever taken back, however often it is looked at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a version that does as well may be taken back for, at each look.
const CHANCE: f64 = 1e-4;
/// How sure it is that the live version has no more errors than it is given credit for, in standard deviations: 99.9%.
const SURE: f64 = 3.09;
/// The answer of which nineteen in twenty are faster.
const SLOWEST: f64 = 0.05;
/// A step of times is a hundredth longer than the one before.
const STEPS_OF_E: f64 = 100.0;

/// `[canary]`: how much of the traffic a new version gets, for how long, and what it may do worse.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Canary {
    /// Shares of all clients, in hundredths, one after the other.
    pub steps: Vec<u8>,
    /// Seconds of each.
    pub every: u64,
    /// Requests to the new version before anything is said of it.
    pub min_requests: u64,
    /// Errors of the app (5xx) that it may have more than the live version, in hundredths of its requests.
    pub errors: f64,
    /// The cookie by which a client is known; where it is empty, and for who has none, the address.
    pub cookie: String,
    /// How many times as long as the live version's an answer may take, of which nineteen in twenty are faster.
    pub latency: f64,
}

impl Default for Canary {
    fn default() -> Canary {
        Canary {
            steps: vec![1, 10, 50],
            every: 60,
            min_requests: 100,
            errors: 0.5,
            cookie: String::new(),
            latency: 1.5,
        }
    }
}

/// What a version has answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    pub requests: u64,
    pub errors: u64,
    #[serde(skip)]
    /// How many took so long: `100 ln(milliseconds + 1)`, cut.
    pub times: BTreeMap<u32, u64>,
}

impl Answers {
    /// As the script prints them. `None`: it does not.
    pub fn read(requests: &str, errors: &str, times: &str) -> Option<Answers> {
        let time =
            |word: &str| word.split_once(':').and_then(|(step, count)| Some((step.parse().ok()?, count.parse().ok()?)));
        let times = times.split_whitespace().map(time).collect::<Option<BTreeMap<u32, u64>>>()?;
        let (requests, errors) = (requests.parse().ok()?, errors.parse().ok()?);
        (errors <= requests).then_some(Answers { requests, errors, times })
    }

    pub fn add(&mut self, more: &Answers) {
        self.requests += more.requests;
        self.errors += more.errors;
        for (step, count) in &more.times {
            *self.times.entry(*step).or_default() += count;
        }
    }

    /// The step of times of the answer of which nineteen in twenty are faster.
    fn slowest(&self) -> Option<u32> {
        self.step_of(SLOWEST)
    }

    /// The largest that this step may be in truth, by what was seen (order statistics, two standard deviations).
    fn slowest_at_most(&self) -> Option<u32> {
        let all: u64 = self.times.values().sum();
        self.step_of(SLOWEST - 2.0 * (SLOWEST * (1.0 - SLOWEST) / all.max(1) as f64).sqrt())
    }

    /// The step of the answer of which such a share takes longer.
    fn step_of(&self, share: f64) -> Option<u32> {
        let all: u64 = self.times.values().sum();
        let slower = (all as f64 * share.max(0.0)).floor() as u64;
        let mut seen = 0;
        self.times.iter().rev().find_map(|(step, count)| {
            seen += count;
            (seen > slower).then_some(*step)
        })
    }

    pub fn describe(&self) -> String {
        let share = if self.requests == 0 { 0.0 } else { 100.0 * self.errors as f64 / self.requests as f64 };
        let slowest = self.slowest().map(|step| format!(", 95% within {:.0} ms", milliseconds(step + 1)));
        format!("{} errors of {} requests ({share:.2}%){}", self.errors, self.requests, slowest.unwrap_or_default())
    }
}

fn milliseconds(step: u32) -> f64 {
    (f64::from(step) / STEPS_OF_E).exp() - 1.0
}

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing speaks against it.
    Well,
    /// It has had too few requests for anything to be said.
    TooFew,
    Worse(&'static str),
}

/// Judges the errors of a new version beside those of the live one in the same time.
pub fn judge_errors(canary: &Canary, live: &Answers, new: &Answers) -> Verdict {
    // An app may have errors that are nobody's fault, and how many it has is not known before it was asked often enough.
    if new.requests < canary.min_requests || live.requests < canary.min_requests {
        return Verdict::TooFew;
    }
    let allowed = most(live.errors, live.requests) + canary.errors / 100.0;
    match chance(new.errors, new.requests, allowed) < CHANCE {
        true => Verdict::Worse("it has more errors"),
        false => Verdict::Well,
    }
}

/// The same of how long its answers take. A version is slow at first, so this is asked once it has had its time.
pub fn judge_times(canary: &Canary, live: &Answers, new: &Answers) -> Verdict {
    let Some(slowest) = live.slowest_at_most().filter(|_| live.requests >= canary.min_requests) else {
        return Verdict::Well;
    };
    let allowed = slowest + (canary.latency.max(1.0).ln() * STEPS_OF_E).ceil() as u32;
    let all: u64 = new.times.values().sum();
    let slower: u64 = new.times.range(allowed + 1..).map(|(_, count)| count).sum();
    match chance(slower, all, SLOWEST) < CHANCE {
        true => Verdict::Worse("its answers take longer"),
        false => Verdict::Well,
    }
}

/// The largest share that what was seen of the live version still speaks for (Wilson's interval).
fn most(errors: u64, requests: u64) -> f64 {
    let (n, p) = (requests as f64, errors as f64 / requests as f64);
    let squared = SURE * SURE;
    (p + squared / (2.0 * n) + SURE * (p * (1.0 - p) / n + squared / (4.0 * n * n)).sqrt()) / (1.0 + squared / n)
}

/// The chance that at least `seen` of `all` are so where each is with the probability `p`. Where that is no surprise at all, 1.
fn chance(seen: u64, all: u64, p: f64) -> f64 {
    if seen as f64 <= all as f64 * p {
        return 1.0;
    }
    if p <= 0.0 {
        return 0.0;
    }
    let (n, mut k) = (all as f64, seen as f64);
    let choose = log_factorial(all) - log_factorial(seen) - log_factorial(all - seen);
    let mut term = (choose + k * p.ln() + (n - k) * (1.0 - p).ln()).exp();
    let mut sum = term;
    // Each term is smaller than the one before by at least the same factor.
    while k < n && term > sum * 1e-12 {
        term *= (n - k) / (k + 1.0) * p / (1.0 - p);
        sum += term;
        k += 1.0;
    }
    sum
}

/// By Stirling's series, which is exact to ten digits from here on.
fn log_factorial(n: u64) -> f64 {
    if n < 32 {
        return (2..=n).map(|factor| (factor as f64).ln()).sum();
    }
    let n = n as f64;
    n * n.ln() - n + 0.5 * (2.0 * std::f64::consts::PI * n).ln() + 1.0 / (12.0 * n) - 1.0 / (360.0 * n * n * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random, and are the same each time (xorshift).
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// `requests` of a version, and how long they take, with a long tail, as times of the web are.
    fn answers(dice: &mut Dice, requests: u64, errors: f64, slower: f64) -> Answers {
        let mut answers = Answers { requests, ..Answers::default() };
        for _ in 0..requests {
            answers.errors += u64::from(dice.roll() < errors);
            let milliseconds = slower * 8.0 / (1.0 - dice.roll()).powf(0.6);
            *answers.times.entry(((milliseconds + 1.0).ln() * STEPS_OF_E) as u32).or_default() += 1;
        }
        answers
    }

    /// The step in which a version is taken back. 200 requests a second, a look each 5 s.
    fn taken_back(seed: u64, live: f64, new: f64, slower: f64) -> Option<usize> {
        let (canary, mut dice) = (Canary::default(), Dice(seed));
        canary.steps.iter().position(|percent| {
            let (mut of_live, mut of_new) = (Answers::default(), Answers::default());
            let worse = (0..canary.every / 5).any(|_| {
                let share = 1000 * u64::from(*percent) / 100;
                of_new.add(&answers(&mut dice, share, new, slower));
                of_live.add(&answers(&mut dice, 1000 - share, live, 1.0));
                matches!(judge_errors(&canary, &of_live, &of_new), Verdict::Worse(_))
            });
            worse || matches!(judge_times(&canary, &of_live, &of_new), Verdict::Worse(_))
        })
    }

    /// Figures of the documentation: whole canaries, simulated.
    #[test]
    fn a_version_that_does_as_well_is_promoted_and_one_that_does_worse_is_taken_back() {
        let runs = |live: f64, new: f64, slower: f64| -> Vec<Option<usize>> {
            (1..=40_u64).map(|seed| taken_back(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15), live, new, slower)).collect()
        };
        for errors in [0.0, 0.002, 0.03] {
            let told = runs(errors, errors, 1.0);
            assert!(told.iter().all(Option::is_none), "a version like the live one, with {errors} errors: {told:?}");
        }
        let worse = [
            ("2% errors beside none", runs(0.0, 0.02, 1.0)),
            ("5% beside 1%", runs(0.01, 0.05, 1.0)),
            ("three times as slow", runs(0.0, 0.0, 3.0)),
        ];
        for (what, told) in worse {
            assert!(told.iter().all(Option::is_some), "{what}: {told:?}");
        }
        // Better is no reason.
        assert!(runs(0.05, 0.0, 0.5).iter().all(Option::is_none));
    }

    #[test]
    fn nothing_is_said_of_too_few() {
        let canary = Canary::default();
        let all_wrong = Answers { requests: 99, errors: 99, ..Answers::default() };
        assert_eq!(judge_errors(&canary, &Answers::default(), &all_wrong), Verdict::TooFew);
        let more = Answers { requests: 100, errors: 100, ..Answers::default() };
        assert_eq!(judge_errors(&canary, &Answers::default(), &more), Verdict::TooFew);
        let well = Answers { requests: 100, ..Answers::default() };
        assert!(matches!(judge_errors(&canary, &well, &more), Verdict::Worse(_)));
    }

    #[test]
    fn chances_are_those_of_the_binomial_distribution() {
        for (seen, all, p, expected) in [
            (3, 10, 0.1, 0.070_190_826_4),
            (10, 100, 0.05, 0.028_188_294_16),
            (5, 5, 0.5, 0.031_25),
            (60, 3000, 0.01, 7.952e-7),
        ] {
            let told = chance(seen, all, p);
            assert!((told / expected - 1.0).abs() < 2e-2, "{seen} of {all} at {p}: {told:e}, not {expected:e}");
        }
        assert_eq!((chance(0, 100, 0.1), chance(1, 100, 0.0), chance(10, 10, 1.0)), (1.0, 0.0, 1.0));
    }

    #[test]
    fn what_a_script_prints_is_read_or_not_believed() {
        let read = Answers::read("120", "3", "69:100 109:20").unwrap();
        assert_eq!((read.requests, read.errors, read.times[&109]), (120, 3, 20));
        assert_eq!(read.describe(), "3 errors of 120 requests (2.50%), 95% within 2 ms");
        for (requests, errors, times) in
            [("", "0", ""), ("1", "2", ""), ("9", "0", "1"), ("9", "0", "a:1"), ("-9", "0", "")]
        {
            assert_eq!(Answers::read(requests, errors, times), None);
        }
    }
}
