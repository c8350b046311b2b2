use proptest::prelude::*;

use super::*;
use flugs_flink::rest::{JobDetails, JobState, JobSummary, ResourceRequirements, TaskTotals};
use flugs_model::Role;

const MINUTE: Duration = Duration::from_secs(60);

/// What a real JobManager answered when a job of parallelism 3 had no slot.
macro_rules! recorded {
    ($version:literal, $name:literal) => {
        serde_json::from_str(include_str!(concat!(
            "../../../tests/data/flink-rest/",
            $version,
            "/",
            $name,
            ".json"
        )))
        .unwrap()
    };
}

#[derive(serde::Deserialize)]
struct Overview {
    jobs: Vec<JobSummary>,
}

fn needs_of(overview: &Overview, details: &JobDetails) -> JobNeeds {
    JobNeeds::of(&overview.jobs[0], Some(details), None).unwrap()
}

#[test]
fn a_job_of_1_13_wants_what_its_widest_vertex_does_and_may_want_more() {
    let needs = needs_of(
        &recorded!("1.13.6", "waiting-overview"),
        &recorded!("1.13.6", "waiting-job"),
    );
    assert_eq!((needs.slots, needs.least, needs.known), (3, 3, true));
    assert_eq!(needs.unsure, Some(6));
}

#[test]
fn a_job_of_1_20_wants_what_the_widest_vertex_of_its_group_does() {
    let needs = needs_of(
        &recorded!("1.20.5", "waiting-overview"),
        &recorded!("1.20.5", "waiting-job"),
    );
    assert_eq!((needs.slots, needs.known, needs.unsure), (3, true, None));
    assert_eq!(needs.state, JobState::Running);
}

#[test]
fn under_the_adaptive_scheduler_a_job_wants_the_upper_bound_and_runs_with_the_lower() {
    let declared: ResourceRequirements = recorded!("1.20.5-adaptive", "waiting-requirements");
    let overview: Overview = recorded!("1.20.5-adaptive", "waiting-overview");
    let details: JobDetails = recorded!("1.20.5-adaptive", "waiting-job");
    let needs = JobNeeds::of(&overview.jobs[0], Some(&details), Some(&declared)).unwrap();
    assert_eq!((needs.slots, needs.least, needs.known), (3, 1, true));
    assert_eq!(overview.jobs[0].scheduler, None);
    let overview: Overview = recorded!("2.3.0-adaptive", "waiting-overview");
    let details: JobDetails = recorded!("2.3.0-adaptive", "waiting-job");
    let declared: ResourceRequirements = recorded!("2.3.0-adaptive", "waiting-requirements");
    let needs = JobNeeds::of(&overview.jobs[0], Some(&details), Some(&declared)).unwrap();
    assert_eq!((needs.slots, needs.least, needs.known), (3, 1, true));
    assert_eq!(overview.jobs[0].scheduler.as_deref(), Some("Adaptive"));
}

#[test]
fn a_job_that_has_ended_needs_nothing_in_any_release() {
    let ended: [Overview; 4] = [
        recorded!("1.13.6", "ended-overview"),
        recorded!("1.20.5", "ended-overview"),
        recorded!("1.20.5-adaptive", "ended-overview"),
        recorded!("2.3.0-adaptive", "ended-overview"),
    ];
    for overview in ended {
        assert_eq!(JobNeeds::of(&overview.jobs[0], None, None), None);
        assert_eq!(JobNeeds::reactive(&overview.jobs[0]), None);
    }
}

/// Flink would give the same empty details for `web.refresh-interval`, and workers come that much
/// later.
#[test]
fn the_details_of_a_job_that_has_just_come_are_not_asked_for_before_they_say_something() {
    let is_being_made = |state: JobState, duration: i64, total: u32, created: u32| {
        let job = JobSummary {
            duration,
            tasks: TaskTotals { total, created },
            ..summary(state)
        };
        job.is_being_made()
    };
    assert!(is_being_made(JobState::Initializing, 100, 0, 0));
    assert!(is_being_made(JobState::Created, 100, 6, 6));
    assert!(is_being_made(JobState::Running, 100, 6, 6));
    assert!(!is_being_made(JobState::Running, 100, 6, 3));
    assert!(!is_being_made(JobState::Created, 100, 0, 0), "adaptive");
    assert!(!is_being_made(JobState::Initializing, 5000, 0, 0));
    let waiting: [Overview; 4] = [
        recorded!("1.13.6", "waiting-overview"),
        recorded!("1.20.5", "waiting-overview"),
        recorded!("1.20.5-adaptive", "waiting-overview"),
        recorded!("2.3.0-adaptive", "waiting-overview"),
    ];
    for mut overview in waiting {
        let job = &mut overview.jobs[0];
        assert!(job.duration > 2000);
        job.duration = 100;
        assert!(!job.is_being_made(), "{job:?}");
    }
}

/// Vertices as `group:parallelism:scheduled:running:finished`; no group if it is a dash.
fn details(state: &str, job_type: Option<&str>, vertices: &str) -> JobDetails {
    let vertex = |(number, text): (usize, &str)| {
        let parts: Vec<&str> = text.split(':').collect();
        let mut vertex = serde_json::json!({
            "id": number.to_string(),
            "parallelism": parts[1].parse::<i64>().unwrap(),
            "tasks": {
                "SCHEDULED": parts[2].parse::<u32>().unwrap(),
                "RUNNING": parts[3].parse::<u32>().unwrap(),
                "FINISHED": parts[4].parse::<u32>().unwrap(),
            },
        });
        if parts[0] != "-" {
            vertex["slotSharingGroupId"] = parts[0].into();
        }
        vertex
    };
    let vertices: Vec<_> = vertices
        .split_whitespace()
        .enumerate()
        .map(vertex)
        .collect();
    serde_json::from_value(serde_json::json!({
        "state": state, "job-type": job_type, "vertices": vertices,
    }))
    .unwrap()
}

fn summary(state: JobState) -> JobSummary {
    JobSummary {
        jid: "j".to_owned(),
        name: "job".to_owned(),
        state,
        scheduler: None,
        duration: 60_000,
        tasks: TaskTotals::default(),
    }
}

/// Slots, whether that is all, and what else it may want.
fn needs(state: &str, job_type: Option<&str>, vertices: &str) -> (u32, bool, Option<u32>) {
    let details = details(state, job_type, vertices);
    let needs = JobNeeds::of(&summary(details.state), Some(&details), None).unwrap();
    (needs.slots, needs.known, needs.unsure)
}

/// Held against the JobManager's own log of 1.20 and 2.3, which said 6 for such a job.
#[test]
fn groups_add_up_and_within_a_group_the_widest_counts() {
    let streaming = Some("STREAMING");
    let found = needs("RUNNING", streaming, "a:3:3:0:0 b:2:2:0:0 b:3:0:3:0");
    assert_eq!(found, (6, true, None));
    let found = needs("RESTARTING", streaming, "a:3:0:0:0 b:2:0:0:0 b:3:0:0:0");
    assert_eq!(found, (6, true, None));
}

#[test]
fn a_batch_job_wants_slots_for_the_stage_that_runs_and_between_stages_nobody_knows() {
    let batch = Some("BATCH");
    let stage = needs("RUNNING", batch, "a:8:2:3:3 a:20:0:0:0");
    assert_eq!(stage, (5, true, None));
    let between = needs("RUNNING", batch, "a:8:0:0:8 a:20:0:0:0");
    assert_eq!(between, (0, false, None));
    // The adaptive batch scheduler has not decided yet.
    let undecided = needs("RUNNING", batch, "a:8:0:0:8 a:-1:0:0:0");
    assert_eq!(undecided, (0, false, None));
    let done = needs("RUNNING", batch, "a:8:0:0:8 a:20:0:0:20");
    assert_eq!(done, (0, true, None));
    assert_eq!(
        needs("RESTARTING", batch, "a:8:0:0:8 a:9:0:0:0"),
        (0, false, None)
    );
}

#[test]
fn a_job_that_is_being_made_is_not_known_and_one_that_ends_wants_nothing() {
    assert_eq!(needs("INITIALIZING", None, ""), (0, false, Some(u32::MAX)));
    assert_eq!(needs("RESTARTING", None, "-:4:0:0:0"), (0, false, None));
    assert_eq!(needs("CREATED", None, "-:4:0:0:0"), (0, false, Some(4)));
    assert_eq!(
        needs("CREATED", Some("STREAMING"), "a:4:0:0:0"),
        (4, true, None)
    );
    assert_eq!(needs("SOMETHING_NEW", None, "a:4:0:0:0"), (0, false, None));
    for ending in ["FAILING", "CANCELLING"] {
        assert_eq!(needs(ending, None, "a:4:0:4:0"), (0, true, None));
    }
    let unanswered = JobNeeds::of(&summary(JobState::Running), None, None).unwrap();
    assert!(!unanswered.known);
}

#[test]
fn in_reactive_mode_a_job_wants_what_is_there() {
    let running = JobNeeds::reactive(&summary(JobState::Running)).unwrap();
    assert_eq!((running.slots, running.known), (0, true));
    let restarting = JobNeeds::reactive(&summary(JobState::Restarting)).unwrap();
    assert!(!restarting.known);
}

fn policy() -> DemandPolicy {
    DemandPolicy {
        profile: "default".to_owned(),
        slots: 2,
        minimum: 1,
        others: BTreeMap::new(),
        least_slots: 0,
        most_slots: None,
        redundant: 0,
        idle: MINUTE,
    }
}

#[test]
fn slots_make_workers_as_flinks_options_say() {
    let wanted = |policy: DemandPolicy, slots| policy.wanted(slots).workers;
    let found: Vec<usize> = [0, 1, 2, 3, 7].map(|slots| wanted(policy(), slots)).into();
    assert_eq!(found, [1, 1, 1, 2, 4]);
    let redundant = DemandPolicy {
        redundant: 2,
        ..policy()
    };
    assert_eq!(wanted(redundant, 3), 4);
    let kept = DemandPolicy {
        least_slots: 5,
        ..policy()
    };
    assert_eq!(wanted(kept, 0), 3);
    let limited = DemandPolicy {
        most_slots: Some(5),
        ..policy()
    };
    let found = limited.wanted(9);
    assert_eq!((found.workers, found.unlimited), (2, 5));
    let big = FixedWorkers {
        workers: 2,
        slots: 4,
    };
    let with_others = DemandPolicy {
        others: [("big".to_owned(), big)].into(),
        most_slots: Some(12),
        ..policy()
    };
    let found: Vec<usize> = [8, 9, 11, 99]
        .map(|slots| wanted(with_others.clone(), slots))
        .into();
    assert_eq!(found, [1, 1, 2, 2]);
}

fn job(slots: u32) -> JobNeeds {
    JobNeeds {
        id: "j".to_owned(),
        name: "job".to_owned(),
        state: JobState::Running,
        slots,
        least: slots,
        known: true,
        unsure: None,
    }
}

fn id(number: u64) -> WorkerId {
    WorkerId::of(Role::TaskManager, Some(number))
}

fn worker(number: u64, stage: Stage) -> SeenWorker {
    SeenWorker {
        id: id(number),
        profile: "default".to_owned(),
        stage,
    }
}

const IDLE: Stage = Stage::Registered { slots: 2, free: 2 };
const BUSY: Stage = Stage::Registered { slots: 2, free: 0 };

fn sight(jobs: &[JobNeeds], stages: &[Stage]) -> Sight {
    let workers = (1..).zip(stages);
    Sight {
        jobs: jobs.to_vec(),
        workers: workers
            .map(|(number, stage)| worker(number, *stage))
            .collect(),
    }
}

fn gone(releases: &[Release]) -> Vec<WorkerId> {
    releases
        .iter()
        .map(|release| release.id().clone())
        .collect()
}

#[test]
fn idle_workers_go_after_their_time_and_a_second_look_down_to_what_is_kept() {
    let mut demand = Demand::new(policy());
    let all_idle = sight(&[], &[IDLE, IDLE, IDLE]);
    assert_eq!(demand.see(&all_idle, Duration::ZERO), []);
    assert_eq!(demand.see(&all_idle, Duration::from_millis(59_999)), []);
    assert!(!demand.is_urgent());
    assert_eq!(demand.see(&all_idle, MINUTE), []);
    assert!(demand.is_urgent());
    let releases = demand.see(&all_idle, MINUTE);
    assert_eq!(gone(&releases), [id(3), id(2)]);
    assert_eq!(
        releases[0],
        Release::Idle {
            id: id(3),
            since: MINUTE
        }
    );
    let left = sight(&[], &[IDLE]);
    for minutes in 1..9 {
        assert_eq!(demand.see(&left, MINUTE * minutes), []);
    }
}

#[test]
fn a_job_that_comes_between_the_two_looks_keeps_its_worker() {
    let mut demand = Demand::new(policy());
    let two = sight(&[], &[IDLE, IDLE]);
    demand.see(&two, Duration::ZERO);
    assert_eq!(demand.see(&two, MINUTE), []);
    assert!(demand.is_urgent());
    let busy = sight(&[job(2)], &[IDLE, BUSY]);
    assert_eq!(demand.see(&busy, MINUTE), []);
    // The other one may go now, but nobody has looked twice.
    let wanted = sight(&[job(4)], &[IDLE, BUSY]);
    assert_eq!(demand.see(&wanted, MINUTE), []);
    assert_eq!(demand.see(&wanted, MINUTE * 2), []);
    assert_eq!(demand.wanted("default"), 2);
}

#[test]
fn nobody_goes_while_a_job_starts_or_restarts_and_its_needs_are_not_known() {
    let mut demand = Demand::new(policy());
    demand.see(&sight(&[job(6)], &[BUSY, BUSY, BUSY]), Duration::ZERO);
    assert_eq!(demand.wanted("default"), 3);
    let unknown = JobNeeds {
        known: false,
        state: JobState::Restarting,
        ..job(0)
    };
    for minutes in 1..9 {
        let restarting = sight(
            std::slice::from_ref(&unknown),
            &[IDLE, IDLE, Stage::Waiting],
        );
        assert_eq!(demand.see(&restarting, MINUTE * minutes), []);
        assert_eq!(demand.wanted("default"), 3, "what it had is replaced");
    }
    assert!(demand.findings().held);
}

#[test]
fn nobody_goes_who_is_one_too_many_either_while_needs_are_not_known() {
    let mut demand = Demand::new(policy());
    let made = JobNeeds {
        known: false,
        state: JobState::Initializing,
        ..job(0)
    };
    let stages = [IDLE, IDLE, IDLE, Stage::Waiting];
    for minutes in 0..9 {
        let sight = sight(std::slice::from_ref(&made), &stages);
        assert_eq!(demand.see(&sight, MINUTE * minutes), []);
        assert!(!demand.is_urgent());
    }
    assert_eq!(demand.wanted("default"), 1);
}

/// Those of an earlier application master may have fewer slots than workers have now.
#[test]
fn the_slots_that_are_left_count_and_not_the_workers_alone() {
    let mut demand = Demand::new(policy());
    let small = Stage::Registered { slots: 1, free: 1 };
    let sight = sight(&[job(2)], &[small, small, small]);
    assert_eq!(demand.see(&sight, Duration::ZERO), []);
    assert_eq!(demand.see(&sight, MINUTE), []);
    assert_eq!(gone(&demand.see(&sight, MINUTE)), [id(3)]);
    assert_eq!(demand.wanted("default"), 1);
    let two = Sight {
        workers: sight.workers[..2].to_vec(),
        ..sight
    };
    for minutes in 2..9 {
        assert_eq!(demand.see(&two, MINUTE * minutes), []);
    }
}

#[test]
fn a_worker_that_was_not_launched_yet_is_withdrawn_when_nobody_wants_it_any_more() {
    let mut demand = Demand::new(policy());
    let stages = [BUSY, Stage::Starting, Stage::Waiting, Stage::Waiting];
    demand.see(&sight(&[job(8)], &stages), Duration::ZERO);
    assert_eq!(demand.wanted("default"), 4);
    let fewer = sight(&[job(5)], &stages);
    let at = |seconds| Duration::from_secs(seconds);
    assert_eq!(demand.see(&fewer, at(1)), [], "it may be a moment only");
    assert_eq!(demand.see(&fewer, at(4)), [Release::Withdraw(id(4))]);
    let none = sight(&[], &stages[..3]);
    demand.see(&none, at(5));
    // One that was launched registers first, and is idle then.
    assert_eq!(demand.see(&none, at(9)), [Release::Withdraw(id(3))]);
}

#[test]
fn workers_of_an_earlier_application_master_stay_until_they_were_idle_for_long_enough() {
    let mut demand = Demand::new(policy());
    let present = BTreeMap::from([("default", 3), ("forgotten", 1)]);
    assert_eq!(demand.desired(&present), 4);
    let mut adopted = sight(&[], &[Stage::Starting, Stage::Starting, Stage::Starting]);
    adopted.workers.push(SeenWorker {
        profile: "forgotten".to_owned(),
        ..worker(4, Stage::Starting)
    });
    assert_eq!(demand.see(&adopted, MINUTE * 5), []);
    for worker in &mut adopted.workers {
        worker.stage = IDLE;
    }
    assert_eq!(demand.see(&adopted, MINUTE * 6), []);
    demand.see(&adopted, MINUTE * 7);
    let releases = demand.see(&adopted, MINUTE * 7);
    assert_eq!(gone(&releases), [id(4), id(3), id(2)]);
}

#[test]
fn a_job_manager_that_does_not_answer_has_nobody_idle() {
    let mut demand = Demand::new(policy());
    let idle = sight(&[], &[IDLE, IDLE]);
    demand.see(&idle, Duration::ZERO);
    demand.see_nothing();
    assert_eq!(demand.see(&idle, MINUTE), []);
    assert_eq!(demand.see(&idle, MINUTE), []);
    demand.see(&idle, MINUTE * 2);
    assert_eq!(gone(&demand.see(&idle, MINUTE * 2)), [id(2)]);
}

/// Before Flink 1.18: a job whose vertices do not share slots, as nobody tells.
#[test]
fn a_job_of_unsure_needs_gets_workers_until_it_waits_no_more_and_keeps_them() {
    let mut demand = Demand::new(policy());
    let waits = JobNeeds {
        unsure: Some(7),
        ..job(4)
    };
    let jobs = [waits];
    let at = |seconds| Duration::from_secs(seconds);
    demand.see(&sight(&jobs, &[BUSY, Stage::Starting]), at(0));
    demand.see(&sight(&jobs, &[BUSY, Stage::Starting]), at(60));
    assert_eq!(demand.wanted("default"), 2, "somebody is on the way");
    demand.see(&sight(&jobs, &[BUSY, BUSY]), at(61));
    assert_eq!(demand.wanted("default"), 2);
    demand.see(&sight(&jobs, &[BUSY, BUSY]), at(64));
    assert_eq!(demand.wanted("default"), 3);
    demand.see(&sight(&jobs, &[BUSY, BUSY, Stage::Waiting]), at(90));
    assert_eq!(demand.wanted("default"), 3, "it is not forgotten meanwhile");
    // It runs, and holds its slots.
    let runs = sight(&[job(4)], &[BUSY, BUSY, BUSY]);
    for minutes in 2..9 {
        assert_eq!(demand.see(&runs, MINUTE * minutes), []);
    }
    assert_eq!(demand.wanted("default"), 3);
    // It loses everything, and waits again: what it took is wanted at once.
    let restarts = JobNeeds {
        known: false,
        state: JobState::Restarting,
        ..job(0)
    };
    demand.see(&sight(&[restarts], &[]), MINUTE * 10);
    demand.see(&sight(&jobs, &[]), MINUTE * 11);
    assert_eq!(demand.wanted("default"), 3);
    demand.see(&sight(&[], &[IDLE]), MINUTE * 12);
    assert_eq!(demand.wanted("default"), 1, "it has ended");
}

#[test]
fn the_limit_of_slots_holds_for_a_job_of_unsure_needs_as_well() {
    let limited = DemandPolicy {
        most_slots: Some(4),
        ..policy()
    };
    let mut demand = Demand::new(limited);
    let waits = JobNeeds {
        unsure: Some(u32::MAX),
        known: false,
        ..job(0)
    };
    for minutes in 0..9 {
        demand.see(
            &sight(std::slice::from_ref(&waits), &[BUSY, BUSY]),
            MINUTE * minutes,
        );
        assert!(demand.wanted("default") <= 2);
    }
    assert!(demand.findings().wanted.unlimited > 2);
}

/// What jobs, workers and the clock may do between two looks.
#[derive(Debug, Clone)]
enum Happening {
    Jobs(Vec<(u32, bool)>),
    Launched(usize),
    Registers(usize),
    Dies(usize),
    JobTakes(usize, u32),
    Away,
    Wait(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        2 => prop::collection::vec((0..9_u32, prop::bool::weighted(0.9)), 0..4)
            .prop_map(Happening::Jobs),
        3 => (0..12_usize).prop_map(Happening::Launched),
        4 => (0..12_usize).prop_map(Happening::Registers),
        1 => (0..12_usize).prop_map(Happening::Dies),
        3 => (0..12_usize, 0..3_u32).prop_map(|(who, free)| Happening::JobTakes(who, free)),
        1 => Just(Happening::Away),
        6 => (1..50_u64).prop_map(Happening::Wait),
    ]
}

fn policies() -> impl Strategy<Value = DemandPolicy> {
    let limits = (
        0..3_usize,
        0..6_u32,
        prop::option::of(8..20_u32),
        0..2_usize,
    );
    (1..4_u32, limits).prop_map(|(slots, (minimum, least_slots, most_slots, redundant))| {
        DemandPolicy {
            slots,
            minimum,
            least_slots,
            most_slots,
            redundant,
            ..policy()
        }
    })
}

/// A fleet as a provider would keep it: what is desired is added, what is released is gone.
struct Model {
    demand: Demand,
    jobs: Vec<JobNeeds>,
    workers: Vec<SeenWorker>,
    /// Since when each worker has been registered with all slots free, without a gap.
    idle: BTreeMap<WorkerId, Duration>,
    last: u64,
    now: Duration,
}

impl Model {
    fn new(policy: DemandPolicy) -> Self {
        Self {
            demand: Demand::new(policy),
            jobs: Vec::new(),
            workers: Vec::new(),
            idle: BTreeMap::new(),
            last: 0,
            now: Duration::ZERO,
        }
    }

    fn happen(&mut self, happening: Happening) {
        let slots = self.demand.policy().slots;
        match happening {
            Happening::Jobs(jobs) => {
                let needs = |(slots, known)| JobNeeds {
                    known,
                    ..job(slots)
                };
                self.jobs = jobs.into_iter().map(needs).collect();
            }
            Happening::Launched(who) => self.change(who, Stage::Starting),
            Happening::Registers(who) => {
                self.change(who, Stage::Registered { slots, free: slots });
            }
            Happening::Dies(who) => {
                if who < self.workers.len() {
                    self.workers.remove(who);
                }
            }
            Happening::JobTakes(who, free) => {
                let registered = |stage: &Stage| matches!(stage, Stage::Registered { .. });
                if self
                    .workers
                    .get(who)
                    .is_some_and(|one| registered(&one.stage))
                {
                    let free = free.min(slots);
                    self.change(who, Stage::Registered { slots, free });
                }
            }
            Happening::Away => {
                self.demand.see_nothing();
                self.idle.clear();
            }
            Happening::Wait(seconds) => self.now += Duration::from_secs(seconds),
        }
    }

    fn change(&mut self, who: usize, stage: Stage) {
        if let Some(worker) = self.workers.get_mut(who) {
            worker.stage = stage;
        }
    }

    fn look(&mut self) -> Vec<Release> {
        self.launch();
        let idle = |worker: &&SeenWorker| match worker.stage {
            Stage::Registered { slots, free } => slots == free,
            _ => false,
        };
        let now = self.now;
        let idle = self.workers.iter().filter(idle).map(|worker| {
            let since = self.idle.get(&worker.id).copied().unwrap_or(now);
            (worker.id.clone(), since)
        });
        self.idle = idle.collect();
        let sight = Sight {
            jobs: self.jobs.clone(),
            workers: self.workers.clone(),
        };
        self.demand.see(&sight, now)
    }

    fn launch(&mut self) {
        let present = BTreeMap::from([("default", self.workers.len())]);
        while self.workers.len() < self.demand.desired(&present) {
            self.last += 1;
            self.workers.push(worker(self.last, Stage::Waiting));
        }
    }

    fn registered(&self) -> usize {
        let registered = |one: &&SeenWorker| matches!(one.stage, Stage::Registered { .. });
        self.workers.iter().filter(registered).count()
    }

    fn stage(&self, id: &WorkerId) -> Option<Stage> {
        let worker = self.workers.iter().find(|worker| worker.id == *id);
        worker.map(|worker| worker.stage)
    }
}

proptest! {
    #[test]
    fn whoever_goes_was_idle_for_long_enough_or_never_launched_and_is_not_needed(
        policy in policies(), happenings in prop::collection::vec(happening(), 0..80)
    ) {
        let mut model = Model::new(policy.clone());
        for happening in happenings {
            model.happen(happening);
            let releases = model.look();
            let held = model.jobs.iter().any(|job| !job.known);
            prop_assert!(releases.is_empty() || !held);
            let wanted = model.demand.wanted("default");
            prop_assert!(wanted <= policy.most());
            prop_assert!(wanted >= policy.minimum.min(policy.most()));
            for release in &releases {
                match (release, model.stage(release.id())) {
                    (Release::Withdraw(_), stage) => prop_assert_eq!(stage, Some(Stage::Waiting)),
                    (Release::Idle { id, .. }, Some(Stage::Registered { slots, free })) => {
                        prop_assert_eq!(slots, free);
                        prop_assert!(model.now >= model.idle[id] + policy.idle);
                    }
                    (_, stage) => prop_assert!(false, "{:?} in {:?}", release, stage),
                }
            }
            let idle = releases.iter().any(|one| matches!(one, Release::Idle { .. }));
            let gone = gone(&releases);
            model.workers.retain(|worker| !gone.contains(&worker.id));
            prop_assert!(!idle || model.registered() >= wanted);
            prop_assert!(gone.is_empty() || model.workers.len() >= wanted);
            let required: u32 = model.jobs.iter().map(|job| job.slots).sum();
            let left = u32::try_from(model.registered()).unwrap() * policy.slots;
            prop_assert!(!idle || left >= required);
        }
    }

    #[test]
    fn when_nothing_happens_any_more_exactly_the_wanted_workers_are_left(
        policy in policies(),
        happenings in prop::collection::vec(happening(), 0..40),
        slots in 0..20_u32,
    ) {
        let mut model = Model::new(policy.clone());
        for happening in happenings {
            model.happen(happening);
            let gone = gone(&model.look());
            model.workers.retain(|worker| !gone.contains(&worker.id));
        }
        // One job, which takes the slots of the oldest workers; the others register and are idle.
        model.jobs = vec![job(slots)];
        for _ in 0..6 {
            model.launch();
            let mut left = slots;
            for worker in &mut model.workers {
                let taken = left.min(policy.slots);
                left -= taken;
                let free = policy.slots - taken;
                worker.stage = Stage::Registered { slots: policy.slots, free };
            }
            let gone = gone(&model.look());
            model.workers.retain(|worker| !gone.contains(&worker.id));
            model.now += policy.idle;
        }
        prop_assert_eq!(model.workers.len(), policy.wanted(slots).workers);
    }
}
