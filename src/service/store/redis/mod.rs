//! A store in Redis, for several machines.
//!
//! What takes more than one command is a script of Lua, which Redis runs as one step. All keys begin with `agi-rhai:`:
//!
//! | key | holds |
//! |---|---|
//! | `agi-rhai:value:KEY` | a value as the text of its JSON |
//! | `agi-rhai:board:BOARD` | a sorted set of members: a number that falls, the kind of the score, the name |
//! | `agi-rhai:names:BOARD`, `agi-rhai:entries:BOARD` | the members by name; the number of the last entry |
//! | `agi-rhai:jobs`, `agi-rhai:job:ID`, `agi-rhai:last-job` | when each may be claimed; a job; the last id |

use super::job::{GIVEN_UP_AFTER, Job, JobCounts, NewJob};
use super::operation::{MAX_KEYS, Operation, PAGE, Score, listed, not_a_number, overflows, parse, ranked};
use crate::service::settings::StoreSettings;
use crate::service::settings::values::Secret;
use crate::service::tls;
use crate::transport::{Answer, Failure};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo,
    ProtocolVersion, PushInfo, PushKind, RedisError, Script, ServerErrorKind, TlsCertificates, cmd,
};
use serde_json::{Number, Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::Mutex;
use tracing::warn;

const VALUE: &str = "agi-rhai:value:";
const JOBS: &str = "agi-rhai:jobs";
const LAST_JOB: &str = "agi-rhai:last-job";

/// How long what was sent may stay without a sign that it arrived.
const GONE_AFTER: Duration = Duration::from_secs(10);
/// How many keys Redis looks at in one step of a list.
const LOOKED_AT: u32 = 1_000;
/// How many jobs are counted by one request, so that Redis answers others in between.
const COUNTED_AT_ONCE: usize = 1_000;

static ADD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("add.lua")));
static BOARD_PUT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("board_put.lua")));
static BOARD_RANK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("board_rank.lua")));
static ADD_JOB: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("add_job.lua")));
static DUE_JOBS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("due_jobs.lua")));
static CLAIM_JOB: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("claim_job.lua")));
static RENEW_JOB: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("renew_job.lua")));
static RETRY_JOB: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("retry_job.lua")));
static PUT_OFF_JOB: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("put_off_job.lua")));
static HURRY_JOB: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("hurry_job.lua")));
static DROP_JOB: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("drop_job.lua")));

/// A store in Redis.
pub(super) struct Redis {
    info: ConnectionInfo,
    /// What messages call it: its address without a secret.
    name: String,
    is_secure: bool,
    /// Certificates to trust, as PEM.
    ca: Option<Secret>,
    timeout: Duration,
    link: Mutex<Option<Link>>,
    /// Whether it was asked if it keeps jobs on its disk.
    has_warned: AtomicBool,
}

/// The connection, which all requests share.
struct Link {
    connection: MultiplexedConnection,
    /// Whether it is known to have ended.
    is_broken: Arc<AtomicBool>,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Redis").field(&self.name).finish()
    }
}

impl Redis {
    /// Creates the store without connecting yet.
    pub fn new(settings: &StoreSettings, url: &str, timeout: Duration) -> Result<Self, Failure> {
        // What is wrong isn't repeated: it may be the password.
        let wrong = |_| Failure::argument("`[store] url` is not `redis://HOST:PORT/NUMBER`");
        let info = url.into_connection_info().map_err(wrong)?;
        let is_secure = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        if settings.ca_file.is_some() && !is_secure {
            return Err(Failure::argument("`[store]` has a `ca_file`, but its `url` does not begin with `rediss://`"));
        }
        let scheme = if is_secure { "rediss" } else { "redis" };
        let name = format!("{scheme}://{}/{}", info.addr(), info.redis_settings().db());
        // The newer protocol reports a broken connection at once, so that a restart of Redis fails no request after it.
        let mut redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        if let Some(password) = &settings.password {
            redis = redis.set_password(&password.0);
        }
        Ok(Self {
            // A machine that is gone is noticed, and small requests aren't held back.
            info: info
                .set_redis_settings(redis)
                .set_tcp_settings(TcpSettings::default().set_nodelay(true).set_user_timeout(GONE_AFTER)),
            name,
            is_secure,
            ca: settings.ca.clone(),
            timeout,
            link: Mutex::default(),
            has_warned: AtomicBool::new(false),
        })
    }

    /// Returns what messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Carries out an operation.
    pub async fn run(&self, operation: Operation) -> Answer {
        let mut redis = self.connection().await?;
        match operation {
            Operation::Get { key } => {
                let value: Option<String> = self.ask(&mut redis, cmd("GET").arg(value(&key))).await?;
                value.map_or(Ok(Value::Null), |text| parse(&key, &text))
            }
            Operation::Put { key, value: text, expires } => {
                let mut put = cmd("SET");
                put.arg(value(&key)).arg(text);
                if let Some(seconds) = expires {
                    put.arg("PX").arg(Duration::from_secs_f64(seconds).as_millis().to_string());
                }
                self.ask::<()>(&mut redis, &put).await?;
                Ok(Value::Null)
            }
            Operation::Delete { key } => {
                self.ask::<()>(&mut redis, cmd("DEL").arg(value(&key))).await?;
                Ok(Value::Null)
            }
            Operation::Keys { prefix } => self.keys(&mut redis, &prefix).await,
            Operation::Add { key, n } => self.add(&mut redis, &key, &n).await,
            Operation::BoardPut { board, name, score } => {
                let kind = if score.is_whole { "i" } else { "f" };
                let mut put = BOARD_PUT.key(format!("agi-rhai:board:{board}"));
                put.key(format!("agi-rhai:names:{board}")).key(format!("agi-rhai:entries:{board}"));
                put.arg(name).arg(score.value).arg(kind);
                self.script::<()>(&mut redis, &put).await?;
                Ok(Value::Null)
            }
            Operation::BoardTop { board, n: 0 } => {
                let _ = board;
                Ok(json!([]))
            }
            Operation::BoardTop { board, n } => {
                let mut top = cmd("ZREVRANGE");
                top.arg(format!("agi-rhai:board:{board}")).arg(0).arg(n - 1).arg("WITHSCORES");
                let members: Vec<(String, f64)> = self.ask(&mut redis, &top).await?;
                let entry = |(member, value): (String, f64)| {
                    let (_, rest) = member.split_at_checked(16).unwrap_or_default();
                    let is_whole = rest.starts_with('i');
                    (rest.chars().skip(1).collect(), Score { value, is_whole })
                };
                Ok(ranked(members.into_iter().map(entry)))
            }
            Operation::BoardRank { board, name } => {
                let mut rank = BOARD_RANK.key(format!("agi-rhai:board:{board}"));
                rank.key(format!("agi-rhai:names:{board}")).arg(name);
                let rank: Option<u64> = self.script(&mut redis, &rank).await?;
                Ok(rank.into())
            }
            Operation::AddJob(job) => self.add_job(&mut redis, &job).await,
            Operation::DueJobs { skip } => {
                let mut due = DUE_JOBS.key(JOBS);
                due.arg(skip).arg(PAGE);
                let ids: Vec<u64> = self.script(&mut redis, &due).await?;
                Ok(json!(self.jobs(&mut redis, &ids).await?))
            }
            Operation::ClaimJob { id, owner, lease } => {
                let mut claim = CLAIM_JOB.key(job_key(id));
                claim.key(JOBS).arg(id).arg(owner).arg(lease.as_secs_f64());
                let fields: HashMap<String, String> = self.script(&mut redis, &claim).await?;
                Ok(json!(job(&fields)))
            }
            Operation::RenewJob { id, owner, lease } => {
                let mut renew = RENEW_JOB.key(job_key(id));
                renew.key(JOBS).arg(id).arg(owner).arg(lease.as_secs_f64());
                Ok(Value::Bool(self.script(&mut redis, &renew).await?))
            }
            Operation::FinishJob { id } | Operation::DropJob { id } => {
                let mut drop = DROP_JOB.key(job_key(id));
                drop.key(JOBS).arg(id);
                Ok(Value::Bool(self.script(&mut redis, &drop).await?))
            }
            Operation::RetryJob { id, owner, delay, error } => {
                let mut retry = RETRY_JOB.key(job_key(id));
                retry.key(JOBS).arg(id).arg(owner).arg(delay.as_secs_f64()).arg(error);
                Ok(Value::Bool(self.script(&mut redis, &retry).await?))
            }
            Operation::Jobs => {
                let ids: Vec<u64> = self.ask(&mut redis, cmd("ZRANGE").arg(JOBS).arg(0).arg(-1)).await?;
                let mut jobs = self.jobs(&mut redis, &ids).await?;
                jobs.sort_by(|a, b| a.due.total_cmp(&b.due).then(a.id.cmp(&b.id)));
                Ok(json!(jobs))
            }
            Operation::CountJobs => Ok(json!(self.count_jobs(&mut redis).await?)),
            Operation::PutOffJob { id, delay } => {
                let mut put_off = PUT_OFF_JOB.key(job_key(id));
                put_off.key(JOBS).arg(id).arg(delay.as_secs_f64());
                Ok(Value::Bool(self.script(&mut redis, &put_off).await?))
            }
            Operation::HurryJob { id } => {
                let mut hurry = HURRY_JOB.key(job_key(id));
                hurry.key(JOBS).arg(id);
                Ok(Value::Bool(self.script(&mut redis, &hurry).await?))
            }
        }
    }

    /// Returns the connection. It is made anew if it has broken, by the request that comes next: it must not learn that
    /// there was nobody a while ago.
    async fn connection(&self) -> Result<MultiplexedConnection, Failure> {
        let mut link = self.link.lock().await;
        if let Some(Link { connection, is_broken }) = &*link
            && !is_broken.load(Relaxed)
        {
            return Ok(connection.clone());
        }
        let client = if self.is_secure {
            let trusted = self.trusted().await?;
            let tls = TlsCertificates { client_tls: None, root_cert: trusted };
            Client::build_with_tls(self.info.clone(), tls)
        } else {
            Client::open(self.info.clone())
        };
        let client = client.map_err(|error| self.failure(&error))?;
        let is_broken = Arc::new(AtomicBool::new(false));
        let breaks = Arc::clone(&is_broken);
        let listen = move |push: PushInfo| -> Result<(), std::convert::Infallible> {
            if push.kind == PushKind::Disconnection {
                breaks.store(true, Relaxed);
            }
            Ok(())
        };
        // Who asks has a deadline for the answer.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(None)
            .set_push_sender(listen);
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        let connection = connection.map_err(|error| self.failure(&error))?;
        *link = Some(Link { connection: connection.clone(), is_broken });
        Ok(connection)
    }

    /// Returns the certificates to trust, as PEM: the system's, and that of `ca_file`. If there are none, the client
    /// has bundled ones.
    async fn trusted(&self) -> Result<Option<Vec<u8>>, Failure> {
        let own = self.ca.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut pem = tls::system_pem();
            pem.extend(own.into_iter().flat_map(|Secret(pem)| pem.into_bytes()));
            Ok((!pem.is_empty()).then_some(pem))
        });
        read.await.unwrap_or_else(|_| Err(Failure::unavailable("no thread to read certificates")))
    }

    async fn ask<T: FromRedisValue>(
        &self,
        redis: &mut MultiplexedConnection,
        command: &redis::Cmd,
    ) -> Result<T, Failure> {
        command.query_async(redis).await.map_err(|error| self.failure(&error))
    }

    async fn script<T: FromRedisValue>(
        &self,
        redis: &mut MultiplexedConnection,
        script: &redis::ScriptInvocation<'_>,
    ) -> Result<T, Failure> {
        script.invoke_async(redis).await.map_err(|error| self.failure(&error))
    }

    async fn keys(&self, redis: &mut MultiplexedConnection, prefix: &str) -> Answer {
        let mut pattern = VALUE.to_owned();
        for character in prefix.chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('*');
        // Redis may list a key twice.
        let mut found = BTreeSet::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(LOOKED_AT);
            let (next, keys): (u64, Vec<String>) = self.ask(redis, &scan).await?;
            found.extend(keys.iter().filter_map(|key| key.strip_prefix(VALUE)).map(str::to_owned));
            cursor = next;
            if cursor == 0 || found.len() > MAX_KEYS {
                return listed(found.into_iter().collect(), prefix);
            }
        }
    }

    async fn add(&self, redis: &mut MultiplexedConnection, key: &str, n: &Number) -> Answer {
        let mut add = ADD.key(value(key));
        add.arg(n.to_string()).arg(if n.as_i64().is_some() { "integer" } else { "float" });
        let sum: Result<String, RedisError> = add.invoke_async(redis).await;
        match sum {
            Ok(sum) => parse(key, &sum),
            Err(error) if error.code() == Some("NOTANUMBER") => Err(not_a_number(key)),
            Err(error) if error.code() == Some("OVERFLOW") => Err(overflows(key, n)),
            Err(error) => Err(self.failure(&error)),
        }
    }

    async fn add_job(&self, redis: &mut MultiplexedConnection, job: &NewJob) -> Answer {
        let id: u64 = self.ask(redis, cmd("INCR").arg(LAST_JOB)).await?;
        if !self.has_warned.swap(true, Relaxed) {
            self.warn_of_losses(redis).await;
        }
        let mut add = ADD_JOB.key(job_key(id));
        add.key(JOBS)
            .arg(id)
            .arg(&job.kind)
            .arg(&job.subject)
            .arg(job.content.to_string())
            .arg(job.delay.as_secs_f64());
        self.script::<()>(redis, &add).await?;
        Ok(id.into())
    }

    /// Warns if Redis keeps nothing on its disk at once.
    async fn warn_of_losses(&self, redis: &mut MultiplexedConnection) {
        let Ok(info) = self.ask::<String>(redis, cmd("INFO").arg("persistence")).await else { return };
        if info.contains("aof_enabled:0") {
            let store = &self.name;
            warn!(store, "this Redis can lose jobs when it ends: `appendonly yes` and `appendfsync always` keep them");
        }
    }

    /// Returns the jobs with these numbers that are still there.
    async fn jobs(&self, redis: &mut MultiplexedConnection, ids: &[u64]) -> Result<Vec<Job>, Failure> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for id in ids {
            pipe.cmd("HGETALL").arg(job_key(*id));
        }
        let found: Vec<HashMap<String, String>> =
            pipe.query_async(redis).await.map_err(|error| self.failure(&error))?;
        Ok(found.iter().filter_map(job).collect())
    }

    /// Counts jobs without reading what is in them.
    async fn count_jobs(&self, redis: &mut MultiplexedConnection) -> Result<JobCounts, Failure> {
        let mut counts = JobCounts::default();
        let (seconds, micros): (u64, u32) = self.ask(redis, &cmd("TIME")).await?;
        let now = Duration::new(seconds, micros * 1_000).as_secs_f64();
        let ids: Vec<u64> = self.ask(redis, cmd("ZRANGE").arg(JOBS).arg(0).arg(-1)).await?;
        for ids in ids.chunks(COUNTED_AT_ONCE) {
            let mut pipe = redis::pipe();
            for id in ids {
                pipe.cmd("HMGET").arg(job_key(*id)).arg(&["created", "due", "attempts"]);
            }
            let found: Vec<(Option<f64>, Option<f64>, Option<u32>)> =
                pipe.query_async(redis).await.map_err(|error| self.failure(&error))?;
            for job in found {
                // One that has been removed meanwhile has no fields.
                let (Some(created), Some(due), Some(attempts)) = job else { continue };
                let (counted, since) = if due - created > GIVEN_UP_AFTER {
                    (&mut counts.given_up, now)
                } else if attempts > 0 {
                    (&mut counts.failing, created)
                } else if due <= now {
                    (&mut counts.waiting, due)
                } else {
                    continue;
                };
                *counted += 1;
                counts.oldest = counts.oldest.max(now - since);
            }
        }
        Ok(counts)
    }

    /// Explains an error.
    fn failure(&self, error: &RedisError) -> Failure {
        let name = &self.name;
        match error.kind() {
            ErrorKind::AuthenticationFailed => {
                Failure::unavailable(format!("the store {name} refuses the user or the password"))
            }
            ErrorKind::Server(_) | ErrorKind::Extension if error.code() == Some("WRONGPASS") => {
                Failure::unavailable(format!("the store {name} refuses the user or the password"))
            }
            ErrorKind::Server(_) | ErrorKind::Extension if error.code() == Some("NOAUTH") => {
                Failure::unavailable(format!("the store {name} asks for a password: `password_file` names one"))
            }
            ErrorKind::Parse => {
                Failure::unavailable(format!("what answers at {name} isn't a Redis, or its connection broke"))
            }
            ErrorKind::RESP3NotSupported => Failure::unavailable(format!("the store {name} is older than Redis 6")),
            ErrorKind::Server(
                ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown | ServerErrorKind::ReadOnly,
            ) => Failure::unavailable(format!("the store {name} is not ready: {}", said(error))),
            ErrorKind::Server(_) | ErrorKind::Extension => {
                Failure::failed(format!("the store {name} reports an error: {}", said(error)))
            }
            _ if error.is_timeout() => {
                let seconds = self.timeout.as_secs_f64();
                Failure::unavailable(format!("the store {name} did not answer within {seconds} s"))
            }
            _ => {
                let advice = tls::advice(&error.to_string());
                Failure::unavailable(format!("the store {name} can't be reached: {}{advice}", said(error)))
            }
        }
    }
}

/// What an error says, on one line.
fn said(error: &RedisError) -> String {
    error.to_string().escape_debug().take(200).collect()
}

fn value(key: &str) -> String {
    format!("{VALUE}{key}")
}

fn job_key(id: u64) -> String {
    format!("agi-rhai:job:{id}")
}

/// Reads the fields of a job. There are none if it is gone.
fn job(fields: &HashMap<String, String>) -> Option<Job> {
    let text = |name| fields.get(name).cloned();
    let new = NewJob {
        kind: text("kind")?,
        subject: text("subject")?,
        content: serde_json::from_str(fields.get("content")?).ok()?,
        delay: Duration::ZERO,
    };
    Some(Job {
        id: fields.get("id")?.parse().ok()?,
        new,
        created: fields.get("created")?.parse().ok()?,
        due: fields.get("due")?.parse().ok()?,
        attempts: fields.get("attempts")?.parse().ok()?,
        error: text("error"),
        owner: text("owner"),
    })
}
