//! Jobs: written down, claimed by one, done once.

use super::{Kept, on_each, run, store, stores};
use crate::support::machine::ChildProcess;
use crate::support::process::Folder;
use agi_rhai::internals::{Job, JobCounts, NewJob, Store};
use serde_json::json;
use std::collections::HashMap;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

const LONG: Duration = Duration::from_secs(60);

fn job(subject: &str, delay: f64) -> NewJob {
    let content = json!({ "value": ["ä", 1.5, {}, []] });
    let delay = Duration::from_secs_f64(delay);
    NewJob { kind: "function".to_owned(), subject: subject.to_owned(), content, delay }
}

async fn added(kept: &Kept, subject: &str, delay: f64) -> u64 {
    kept.store.add_job(&job(subject, delay)).await.expect(subject)
}

async fn claimed(store: &Store, owner: &str, lease: Duration) -> Option<Job> {
    store.claim_job(owner, lease, &|_| true).await.expect(owner)
}

async fn subjects(kept: &Kept) -> Vec<String> {
    kept.store.jobs().await.expect("jobs").into_iter().map(|job| job.new.subject).collect()
}

#[test]
fn a_job_is_claimed_by_one_and_gone_when_it_has_succeeded() {
    on_each(async |kept| {
        let id = added(kept, "game.rhai", 0.0).await;
        let listed = kept.store.jobs().await.expect("jobs");
        assert_eq!((listed.len(), listed[0].id), (1, id));
        assert_eq!((listed[0].attempts, &listed[0].error, &listed[0].owner), (0, &None, &None));
        let got = claimed(&kept.store, "a", LONG).await.expect("it is due");
        assert_eq!((got.id, got.owner.as_deref()), (id, Some("a")));
        assert_eq!(got.new, job("game.rhai", 0.0));
        assert!(got.created > 1.7e9 && got.due >= got.created, "{got:?}");
        assert_eq!(claimed(&kept.store, "b", LONG).await, None);
        assert_eq!(kept.store.jobs().await.expect("jobs")[0].owner.as_deref(), Some("a"));
        kept.store.finish_job(&got, "a").await.expect("it is there");
        assert_eq!(kept.store.jobs().await.expect("jobs"), []);
    });
}

#[test]
fn jobs_that_are_left_are_counted() {
    on_each(async |kept| {
        let none = kept.store.count_jobs().await.expect("none");
        assert_eq!(none, JobCounts::default());
        // The last one belongs to a call that goes on.
        for (subject, delay) in [("fails", 0.0), ("hopeless", 0.0), ("waits", 0.0), ("runs", 0.0), ("rests", 3600.0)] {
            added(kept, subject, delay).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        for (subject, delay) in [("fails", LONG), ("hopeless", Duration::from_secs(99 * 365 * 24 * 3600))] {
            let got = kept.store.claim_job("a", LONG, &|job| job.subject == subject).await.expect("a claim");
            kept.store.retry_job(&got.expect("it is due"), "a", delay, "no").await.expect("it is there");
        }
        kept.store.claim_job("a", LONG, &|job| job.subject == "runs").await.expect("a claim").expect("it is due");
        let counts = kept.store.count_jobs().await.expect("counts");
        assert_eq!((counts.waiting, counts.failing, counts.given_up), (2, 1, 1));
        assert!((0.05..60.0).contains(&counts.oldest), "{counts:?}");
        // One that was given up isn't the oldest, nor one that rests.
        for job in kept.store.jobs().await.expect("jobs") {
            if !["hopeless", "rests"].contains(&job.new.subject.as_str()) {
                kept.store.drop_job(job.id).await.expect("it is there");
            }
        }
        let rest = kept.store.count_jobs().await.expect("counts");
        assert_eq!(rest, JobCounts { given_up: 1, ..JobCounts::default() });
    });
}

#[test]
fn jobs_are_claimed_in_the_order_in_which_they_are_due() {
    on_each(async |kept| {
        added(kept, "later", 0.4).await;
        added(kept, "first", 0.0).await;
        added(kept, "second", 0.1).await;
        let distant = added(kept, "distant", 3600.0).await;
        assert_eq!(subjects(kept).await, ["first", "second", "later", "distant"]);
        tokio::time::sleep(Duration::from_millis(600)).await;
        for expected in ["first", "second", "later"] {
            assert_eq!(claimed(&kept.store, "a", LONG).await.expect(expected).new.subject, expected);
        }
        assert_eq!(claimed(&kept.store, "a", LONG).await, None);
        assert_eq!(kept.store.hurry_job(distant).await, Ok(true));
        assert_eq!(claimed(&kept.store, "a", LONG).await.expect("hurried").id, distant);
        assert_eq!(kept.store.hurry_job(distant).await, Ok(true));
        assert_eq!(claimed(&kept.store, "b", LONG).await, None, "somebody has it");
        assert_eq!(kept.store.drop_job(distant).await, Ok(true));
        assert_eq!(kept.store.drop_job(distant).await, Ok(false));
        assert_eq!(kept.store.hurry_job(distant).await, Ok(false));
    });
}

#[test]
fn a_job_that_has_failed_is_tried_again_later() {
    on_each(async |kept| {
        added(kept, "game.rhai", 0.0).await;
        let got = claimed(&kept.store, "a", LONG).await.expect("it is due");
        kept.store.retry_job(&got, "a", Duration::from_millis(400), "no\u{0} \"luck\"").await.expect("it is there");
        assert_eq!(claimed(&kept.store, "b", LONG).await, None, "not yet");
        let listed = kept.store.jobs().await.expect("jobs").remove(0);
        assert_eq!((listed.attempts, listed.error.as_deref(), listed.owner), (1, Some("no \"luck\""), None));
        tokio::time::sleep(Duration::from_millis(500)).await;
        let got = claimed(&kept.store, "b", LONG).await.expect("again");
        assert_eq!((got.attempts, got.error.as_deref()), (1, Some("no \"luck\"")));
    });
}

#[test]
fn an_owner_that_is_gone_loses_the_job_after_its_lease() {
    on_each(async |kept| {
        added(kept, "game.rhai", 0.0).await;
        let lease = Duration::from_millis(700);
        let got = claimed(&kept.store, "a", lease).await.expect("it is due");
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(kept.store.renew_job(&got, "a", lease).await, Ok(true));
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(claimed(&kept.store, "b", LONG).await, None, "it was renewed");
        tokio::time::sleep(Duration::from_millis(500)).await;
        let again = claimed(&kept.store, "b", LONG).await.expect("the lease is over");
        assert_eq!((again.attempts, again.error.as_deref()), (1, Some("it did not end: a was gone")));
        // The first owner wakes up: it can't take the job from the second one.
        assert_eq!(kept.store.renew_job(&got, "a", lease).await, Ok(false));
        kept.store.retry_job(&got, "a", Duration::ZERO, "late").await.expect("nothing happens");
        assert_eq!(claimed(&kept.store, "c", LONG).await, None);
        // But what it has done is done.
        kept.store.finish_job(&got, "a").await.expect("it is there");
        assert_eq!(kept.store.renew_job(&again, "b", lease).await, Ok(false));
        assert_eq!(kept.store.jobs().await, Ok(vec![]));
    });
}

#[test]
fn an_owner_takes_what_it_can_do_even_behind_much_that_it_cannot() {
    on_each(async |kept| {
        for n in 0..120 {
            added(kept, &format!("other{n}"), 0.0).await;
        }
        let id = added(kept, "own", 0.0).await;
        let own = |job: &NewJob| job.subject == "own";
        let got = kept.store.claim_job("a", LONG, &own).await.expect("no failure").expect("it is there");
        assert_eq!(got.id, id);
        assert_eq!(kept.store.claim_job("a", LONG, &own).await, Ok(None));
    });
}

#[test]
fn a_crowd_of_owners_gets_each_job_once() {
    on_each(async |kept| {
        for n in 0..60 {
            added(kept, &n.to_string(), 0.0).await;
        }
        let owners = (0..8).map(|owner| {
            // A connection of its own, as another machine has.
            let store = store(&kept.settings).expect("the same store");
            tokio::spawn(async move {
                let mut got = Vec::new();
                while let Some(job) = claimed(&store, &format!("owner{owner}"), LONG).await {
                    got.push(job.id);
                }
                got
            })
        });
        let mut all = Vec::new();
        for owner in owners.collect::<Vec<_>>() {
            all.extend(owner.await.expect("an owner"));
        }
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!((all.len(), count), (60, 60));
    });
}

/// How long a killed owner keeps a job in the next test.
const LEASE: Duration = Duration::from_secs(3);

/// An owner in a process of its own, which the next test starts and kills.
#[test]
#[ignore = "the next test runs it"]
fn owner() {
    let (Ok(settings), Ok(log)) = (env::var("STORE_OF_OWNER"), env::var("LOG_OF_OWNER")) else { return };
    let store = store(&settings).expect("a store");
    let name = format!("p{}", std::process::id());
    let mut log = fs::OpenOptions::new().append(true).open(log).expect("the log");
    // One call of the system appends a whole line.
    let mut note = |what: &str, id: u64| log.write_all(format!("{what} {id} {name}\n").as_bytes()).expect("the log");
    run(async {
        loop {
            let got = match store.claim_job(&name, LEASE, &|_| true).await {
                Ok(Some(got)) => got,
                _ => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            note("begins", got.id);
            tokio::time::sleep(Duration::from_millis(got.id % 5 * 4)).await;
            if got.id % 7 == 0 && got.attempts == 0 {
                note("fails", got.id);
                store.retry_job(&got, &name, Duration::from_millis(50), "the first time").await.expect("a retry");
            } else {
                note("succeeds", got.id);
                store.finish_job(&got, &name).await.expect("an end");
                note("finished", got.id);
            }
        }
    });
}

#[test]
fn jobs_survive_owners_that_are_killed_at_any_moment() {
    const JOBS: usize = 150;
    for kept in stores() {
        let folder = Folder::new();
        let log = folder.file("log", "");
        let mut ids: Vec<u64> = run(async {
            let mut ids = Vec::new();
            for n in 0..JOBS {
                ids.push(added(&kept, &n.to_string(), 0.0).await);
            }
            ids
        });
        let start = || {
            let mut command = Command::new(env::current_exe().expect("this program"));
            command
                .args(["--exact", "store::jobs::owner", "--ignored", "--nocapture"])
                .stdout(std::process::Stdio::null());
            ChildProcess::start(command.env("STORE_OF_OWNER", &kept.settings).env("LOG_OF_OWNER", &log))
        };
        let mut owners: Vec<ChildProcess> = (0..3).map(|_| start()).collect();
        let mut killed = 0;
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            std::thread::sleep(Duration::from_millis(120));
            let left = run(kept.store.jobs()).expect("jobs").len();
            if left == 0 {
                break;
            }
            assert!(
                Instant::now() < until,
                "on {}: {left} jobs are left:\n{}",
                kept.name,
                fs::read_to_string(&log).unwrap()
            );
            // Dropping one kills it, wherever it is.
            if killed < 12 {
                owners.remove(0);
                owners.push(start());
                killed += 1;
            }
        }
        std::thread::sleep(Duration::from_millis(100));
        drop(owners);
        let mut succeeded: HashMap<u64, Vec<(String, bool)>> = HashMap::new();
        for line in fs::read_to_string(&log).unwrap().lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let (id, owner): (u64, &str) = (words[1].parse().unwrap(), words[2]);
            match words[0] {
                "succeeds" => succeeded.entry(id).or_default().push((owner.to_owned(), false)),
                // What comes back from `finish_job` is done for good.
                "finished" => succeeded.get_mut(&id).unwrap().last_mut().unwrap().1 = true,
                _ => {}
            }
        }
        for (id, times) in &succeeded {
            let (_, before) = times.split_last().unwrap();
            // Who had succeeded, and was killed before that was written down, did it in vain; nobody else did.
            assert!(before.iter().all(|(_, finished)| !finished), "on {}: job {id} ran again: {times:?}", kept.name);
        }
        let mut done: Vec<u64> = succeeded.into_keys().collect();
        done.sort_unstable();
        ids.sort_unstable();
        assert_eq!(done, ids, "on {}", kept.name);
        eprintln!("on {}: {killed} owners were killed", kept.name);
    }
}
