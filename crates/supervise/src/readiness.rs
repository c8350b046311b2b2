//! From lines of the program's output to whether it is ready, and what is said about that.
//!
//! A pure machine: lines and the time go in, sentences come out. Never ends anything: whether a
//! program that is not ready should go is for whoever started the supervisor to say.

use std::time::{Duration, SystemTime};

use super::clock::Moment;
use super::report::rfc3339;
use super::signs::{Complaint, Meaning, Signs, Weight};

/// Another reason for the same trouble is said no sooner than this after the last one.
const BETWEEN_SENTENCES: Duration = Duration::from_secs(60);

/// What is known of the program's current run.
#[derive(Debug)]
pub(super) struct Readiness {
    at_start: Option<Complaint>,
    serves: bool,
    trouble: Option<Trouble>,
    /// What is true until the program serves, beneath complaints that hold for a while only.
    ground: Option<Complaint>,
    /// What was said of the current trouble, and when.
    said: Option<(String, Moment)>,
}

/// Why it is not ready now.
#[derive(Debug)]
struct Trouble {
    complaint: Complaint,
    /// When the program ceased to be ready, or was started.
    since: Moment,
    since_wall: SystemTime,
    /// When the complaint was last heard.
    heard: Moment,
}

impl Readiness {
    pub(super) fn new(signs: &Signs) -> Self {
        Self {
            at_start: signs.at_start.clone(),
            serves: false,
            trouble: None,
            ground: None,
            said: None,
        }
    }

    /// A run of the program began.
    pub(super) fn started(&mut self, now: Moment, wall: SystemTime) {
        self.ended();
        self.trouble = self.at_start.clone().map(|complaint| Trouble {
            complaint,
            since: now,
            since_wall: wall,
            heard: now,
        });
    }

    /// The run is over: nothing is to be said of it.
    pub(super) fn ended(&mut self) {
        self.serves = false;
        self.ground = None;
        self.trouble = None;
        self.said = None;
    }

    /// A line said something. Gives what is to be said about it.
    pub(super) fn heard(
        &mut self,
        meaning: Meaning,
        now: Moment,
        wall: SystemTime,
    ) -> Option<String> {
        match meaning {
            Meaning::Serves => {
                self.serves = true;
                self.ground = None;
                self.over(now)
            }
            Meaning::Trouble(complaint) => {
                self.complain(complaint, now, wall);
                self.tick(now)
            }
        }
    }

    fn complain(&mut self, complaint: Complaint, now: Moment, wall: SystemTime) {
        match complaint.weight {
            Weight::Guess | Weight::Reason if self.serves => return,
            Weight::Guess
                if self
                    .trouble
                    .as_ref()
                    .is_some_and(Trouble::outweighs_a_guess) =>
            {
                return;
            }
            Weight::Fact => self.serves = false,
            Weight::Guess | Weight::Reason => {}
        }
        if complaint.holds.is_none() {
            self.ground = Some(complaint.clone());
        }
        let (since, since_wall) = self
            .trouble
            .as_ref()
            .map_or((now, wall), |before| (before.since, before.since_wall));
        self.trouble = Some(Trouble {
            complaint,
            since,
            since_wall,
            heard: now,
        });
    }

    /// The time may have come to say something, or to forget a complaint. Gives what is to be said.
    pub(super) fn tick(&mut self, now: Moment) -> Option<String> {
        if self.trouble.as_ref()?.ends().is_some_and(|end| end <= now) {
            return self.forget(now);
        }
        if self.speaks_at().is_none_or(|due| now < due) {
            return None;
        }
        let trouble = self.trouble.as_ref()?;
        let text = trouble.complaint.text.clone();
        let sentence = format!("is not ready: {}", trouble.sentence());
        self.said = Some((text, now));
        Some(sentence)
    }

    /// When [`Readiness::tick`] is due.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let ends = self.trouble.as_ref().and_then(Trouble::ends);
        [ends, self.speaks_at()].into_iter().flatten().min()
    }

    /// When the current complaint is to be said, unless it has been.
    fn speaks_at(&self) -> Option<Moment> {
        let trouble = self.trouble.as_ref()?;
        let due = trouble.since + trouble.complaint.said_after?;
        match &self.said {
            Some((said, _)) if *said == trouble.complaint.text => None,
            Some((_, when)) => Some(due.max(*when + BETWEEN_SENTENCES)),
            None => Some(due),
        }
    }

    /// A complaint was not repeated: what is true until the program serves comes to light again.
    fn forget(&mut self, now: Moment) -> Option<String> {
        match (self.ground.clone(), &mut self.trouble) {
            (Some(ground), Some(trouble)) => {
                trouble.complaint = ground;
                None
            }
            _ => self.over(now),
        }
    }

    fn over(&mut self, now: Moment) -> Option<String> {
        let trouble = self.trouble.take()?;
        self.said.take()?;
        let took = now.since(trouble.since).as_secs();
        Some(format!("is ready again, after {took} s"))
    }

    /// Whether no line says otherwise.
    pub(super) const fn is_ready(&self) -> bool {
        self.trouble.is_none()
    }

    /// What is wrong, for people.
    pub(super) fn complaint(&self) -> Option<String> {
        self.trouble.as_ref().map(Trouble::sentence)
    }
}

impl Trouble {
    const fn outweighs_a_guess(&self) -> bool {
        self.complaint.holds.is_some() && !matches!(self.complaint.weight, Weight::Guess)
    }

    fn ends(&self) -> Option<Moment> {
        self.complaint.holds.map(|holds| self.heard + holds)
    }

    fn sentence(&self) -> String {
        let since = rfc3339(self.since_wall);
        format!("since {since} it {}", self.complaint.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    fn complaint(weight: Weight, text: &str, holds: Option<u64>, said_after: u64) -> Complaint {
        Complaint {
            holds: holds.map(Duration::from_secs),
            said_after: Some(Duration::from_secs(said_after)),
            ..Complaint::new(weight, text)
        }
    }

    fn readiness() -> Readiness {
        let mut readiness = Readiness::new(&Signs {
            at_start: Some(Complaint {
                holds: Some(Duration::from_secs(60)),
                ..Complaint::new(Weight::Guess, "has not registered")
            }),
            rules: Vec::new(),
        });
        readiness.started(at(0), SystemTime::UNIX_EPOCH);
        readiness
    }

    fn hear(readiness: &mut Readiness, complaint: Complaint, now: u64) -> Option<String> {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
        readiness.heard(Meaning::Trouble(complaint), at(now), wall)
    }

    fn serve(readiness: &mut Readiness, now: u64) -> Option<String> {
        readiness.heard(Meaning::Serves, at(now), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_program_whose_output_says_nothing_is_ready_when_the_first_complaint_has_run_out() {
        let mut readiness = readiness();
        assert!(!readiness.is_ready());
        assert_eq!(readiness.deadline(), Some(at(60)));
        assert_eq!(readiness.tick(at(60)), None);
        assert!(readiness.is_ready());
        assert_eq!(readiness.deadline(), None);
    }

    #[test]
    fn a_reason_that_lasts_is_said_once_and_its_end_too() {
        let mut readiness = readiness();
        let refused = || complaint(Weight::Reason, "is refused", Some(90), 10);
        for now in 2..10 {
            assert_eq!(hear(&mut readiness, refused(), now), None);
            assert_eq!(readiness.deadline(), Some(at(10)));
        }
        let said = hear(&mut readiness, refused(), 10).unwrap();
        insta::assert_snapshot!(said, @"is not ready: since 1970-01-01T00:00:00.000Z it is refused");
        for now in 11..300 {
            assert_eq!(hear(&mut readiness, refused(), now), None);
        }
        insta::assert_snapshot!(serve(&mut readiness, 300).unwrap(), @"is ready again, after 300 s");
        assert!(readiness.is_ready());
        assert_eq!(readiness.complaint(), None);
    }

    #[test]
    fn trouble_that_is_soon_over_is_not_talked_about() {
        let mut readiness = readiness();
        hear(
            &mut readiness,
            complaint(Weight::Reason, "is refused", Some(90), 10),
            2,
        );
        assert_eq!(serve(&mut readiness, 9), None);
        assert_eq!(readiness.deadline(), None);
    }

    #[test]
    fn a_guess_does_not_displace_what_is_known_and_neither_counts_while_the_program_serves() {
        let mut readiness = readiness();
        let guess = || complaint(Weight::Guess, "is dropped", Some(90), 25);
        let refused = || complaint(Weight::Reason, "is refused", Some(90), 10);
        hear(&mut readiness, guess(), 1);
        hear(&mut readiness, refused(), 2);
        hear(&mut readiness, guess(), 3);
        assert!(readiness.complaint().unwrap().ends_with("it is refused"));
        serve(&mut readiness, 4);
        hear(&mut readiness, guess(), 5);
        hear(&mut readiness, refused(), 6);
        assert!(readiness.is_ready());
        hear(&mut readiness, Complaint::new(Weight::Fact, "left"), 7);
        assert!(!readiness.is_ready());
        let since = readiness.complaint().unwrap();
        assert_eq!(since, "since 1970-01-01T00:00:07.000Z it left");
    }

    #[test]
    fn another_reason_is_said_as_well_but_not_at_every_line() {
        let mut readiness = readiness();
        let reason = |text| complaint(Weight::Reason, text, Some(90), 0);
        assert!(hear(&mut readiness, reason("a"), 1).is_some());
        assert!(hear(&mut readiness, reason("b"), 2).is_none());
        assert!(hear(&mut readiness, reason("a"), 3).is_none());
        assert!(hear(&mut readiness, reason("b"), 60).is_none());
        assert_eq!(readiness.deadline(), Some(at(61)));
        assert!(readiness.tick(at(61)).unwrap().ends_with("it b"));
    }

    #[test]
    fn a_complaint_that_is_not_repeated_is_over() {
        let mut readiness = readiness();
        let fact = || complaint(Weight::Fact, "is called otherwise", Some(90), 0);
        assert!(hear(&mut readiness, fact(), 5).is_some());
        assert!(hear(&mut readiness, fact(), 50).is_none());
        assert_eq!(readiness.deadline(), Some(at(140)));
        assert!(readiness.tick(at(139)).is_none());
        assert_eq!(
            readiness.tick(at(140)).unwrap(),
            "is ready again, after 140 s"
        );
    }

    #[test]
    fn behind_a_reason_that_is_not_repeated_is_what_holds_until_the_program_serves() {
        let mut readiness = readiness();
        hear(&mut readiness, Complaint::new(Weight::Fact, "connects"), 1);
        hear(
            &mut readiness,
            complaint(Weight::Reason, "is refused", Some(90), 0),
            5,
        );
        assert!(readiness.tick(at(95)).is_none());
        assert!(readiness.complaint().unwrap().ends_with("it connects"));
        assert!(serve(&mut readiness, 99).is_some());
        assert!(readiness.is_ready());
    }

    #[test]
    fn the_next_run_begins_anew() {
        let mut readiness = readiness();
        serve(&mut readiness, 4);
        readiness.ended();
        readiness.started(at(100), SystemTime::UNIX_EPOCH);
        assert!(!readiness.is_ready());
        assert_eq!(readiness.deadline(), Some(at(160)));
    }
}
