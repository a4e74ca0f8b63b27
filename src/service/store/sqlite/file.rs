//! The file: how it is opened, its tables, and what is wrong with it.

use crate::transport::Failure;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;
use tracing::warn;

/// The version of the tables.
const VERSION: i64 = 1;
/// The tables. What was put on a board later has a larger `id`, also if it replaces a lower score.
const TABLES: &str = "
create table value (key text primary key, value text not null, expires real);
create index value_expires on value (expires) where expires is not null;
create table board (
    id integer primary key autoincrement, board text not null, name text not null, score real not null,
    is_whole integer not null, unique (board, name)
);
create index board_order on board (board, score desc, id);
create table job (
    id integer primary key autoincrement, kind text not null, subject text not null, content text not null,
    created real not null, due real not null, attempts integer not null default 0, error text, owner text, until real
);
create index job_due on job (due, id);
pragma user_version = 1;
";

/// Codes of SQLite, without their extensions.
pub(super) const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const NOMEM: i32 = 7;
const READONLY: i32 = 8;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const PERM: i32 = 3;
const NOTADB: i32 = 26;

/// File systems on which processes of several machines can't share a file of SQLite: NFS, SMB, CIFS, SMB2, AFS, Ceph.
const NETWORK: [u32; 6] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x5346_414f, 0x00c3_6400];

/// How long SQLite itself waits while another process writes. Whoever can wait longer is served in another turn.
const TURN: Duration = Duration::from_millis(100);

/// Why a file wasn't opened.
pub(super) enum Unopened {
    /// Another process is writing.
    Busy,
    Refused(Failure),
}

/// A file of SQLite, opened or not.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    name: String,
    /// Whether the folder is the host's own, and so is created.
    has_own_folder: bool,
    warns: Once,
}

impl File {
    pub fn new(path: PathBuf, has_own_folder: bool) -> Self {
        let name = path.display().to_string();
        Self { path, name, has_own_folder, warns: Once::new() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which file it is at the moment: another one if somebody has replaced it.
    pub fn identity(&self) -> Option<(u64, u64)> {
        std::fs::metadata(&self.path).ok().map(|file| (file.dev(), file.ino()))
    }

    /// Opens the file, creating it and its tables if need be. Other processes may do so at the same time: it is busy
    /// then, and stays so for a moment.
    pub async fn open(&self) -> Result<SqliteConnection, Unopened> {
        self.prepare().map_err(Unopened::Refused)?;
        match self.try_to_open().await {
            Ok(opened) => opened.map_err(Unopened::Refused),
            Err(error) if code(&error) == Some(BUSY) => Err(Unopened::Busy),
            Err(error) => Err(Unopened::Refused(self.failure(&error))),
        }
    }

    async fn try_to_open(&self) -> Result<Result<SqliteConnection, Failure>, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(true)
            .busy_timeout(TURN)
            .disable_statement_logging();
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let version = version(&mut connection).await?;
        if version > VERSION {
            let newer = "was written by a newer version of agi-rhai: use that one, or another file";
            return Ok(Err(Failure::unavailable(format!("the store {} {newer}", self.name))));
        }
        // What reads needn't wait for what writes, and a process that is killed leaves nothing to repair.
        sqlx::raw_sql("pragma journal_mode = wal").execute(&mut connection).await?;
        if version < VERSION {
            let mut transaction = connection.begin_with("begin immediate").await?;
            // Another process may have been faster.
            let is_missing = self::version(&mut transaction).await? < VERSION;
            if is_missing {
                let foreign = "select count(*) from sqlite_master";
                let tables: i64 = sqlx::query_scalar(foreign).fetch_one(&mut *transaction).await?;
                if tables > 0 {
                    let what = "is a database of something else: the store needs a file of its own";
                    return Ok(Err(Failure::unavailable(format!("{} {what}", self.name))));
                }
                sqlx::raw_sql(TABLES).execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
        }
        Ok(Ok(connection))
    }

    /// Creates the file, readable by nobody else, since it holds what callers have entered.
    fn prepare(&self) -> Result<(), Failure> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if self.has_own_folder && !folder.is_dir() {
            let created = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            created.map_err(|error| {
                let what = format!("the folder of the store, {}, can't be created: {error}", folder.display());
                Failure::unavailable(format!("{what}. --state names another one"))
            })?;
        }
        self.warns.call_once(|| {
            // The type of the number differs between machines; all of its bits that mean something are these.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::unnecessary_cast)]
            let kind = rustix::fs::statfs(folder).map(|system| system.f_type as u32);
            if kind.is_ok_and(|kind| NETWORK.contains(&kind)) {
                let (folder, why) = (folder.display(), "SQLite may lose data there: `[store] url` can name a server");
                warn!(%folder, "the store is on a network file system: {why}");
            }
        });
        let created = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&self.path);
        match created {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            // It may be there all the same, on a read-only disk.
            Err(_) if self.path.exists() => Ok(()),
            Err(error) => {
                let is_there = folder.metadata().is_ok_and(|folder: Metadata| folder.is_dir());
                let reason = if is_there { error.to_string() } else { "its folder does not exist".to_owned() };
                Err(Failure::unavailable(format!("the store {} can't be created: {reason}", self.name)))
            }
        }
    }

    /// Says that another process has written for too long.
    pub fn locked_for(&self, waited: Duration) -> Failure {
        let (store, seconds) = (&self.name, waited.as_secs_f64());
        Failure::unavailable(format!("the store {store} was locked by another process for {seconds:.1} s"))
    }

    /// Explains an error of SQLite.
    pub fn failure(&self, error: &sqlx::Error) -> Failure {
        let store = &self.name;
        Failure::unavailable(match code(error) {
            Some(BUSY | LOCKED) => format!("the store {store} is locked by another process"),
            Some(READONLY) => {
                format!(
                    "the store {store} can't be written: the disk or the file is read-only, or belongs to another user"
                )
            }
            Some(FULL) => format!("the store {store} can't be written: the disk is full"),
            Some(CORRUPT | NOTADB) => {
                format!("the store {store} is damaged or no database: restore it from a backup, or move it away")
            }
            Some(CANTOPEN | PERM) => {
                let reason = std::fs::File::open(&self.path).err().map(|error| format!(": {error}"));
                let reason = reason.unwrap_or_else(|| ": its folder must be writable, too".to_owned());
                format!("the store {store} can't be opened{reason}")
            }
            Some(IOERR) => format!("the store {store} can't be read or written: the disk reports an error ({error})"),
            Some(NOMEM) => format!("there is no memory for the store {store}"),
            _ => format!("the store {store} has failed: {error}"),
        })
    }
}

async fn version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::raw_sql("pragma user_version").fetch_one(connection).await?.try_get(0)
}

/// Returns SQLite's code of an error, without its extension.
pub(super) fn code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
