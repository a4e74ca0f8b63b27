//! How a database is reached, by the operator's settings.

use super::database::PREPARED;
use crate::service::settings::SqlSettings;
use crate::service::settings::values::Secret;
use crate::service::tls;
use crate::transport::Failure;
use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;
use std::str::FromStr;

/// The options of a connection.
pub(super) enum Options {
    Postgres(Box<PgConnectOptions>),
    MySql(Box<MySqlConnectOptions>),
    /// And whether the database lives in its only connection.
    Sqlite(Box<SqliteConnectOptions>, bool),
}

/// How many rows SQLite reads ahead: each of them takes memory before anybody looks at its size.
const ROWS_AHEAD: usize = 4;

/// What may stand behind the `?` of an address. A typo would be ignored otherwise, such as one of `sslmode`.
const POSTGRES: [&str; 14] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslmode",
    "sslrootcert",
    "user",
];
const MYSQL: [&str; 8] = ["charset", "collation", "socket", "ssl-ca", "ssl-cert", "ssl-key", "ssl-mode", "timezone"];

/// Reads the settings.
///
/// # Errors
/// They can't be used. The reason holds nothing of the address but the names of its parameters.
pub(super) fn of(settings: &SqlSettings) -> Result<Options, Failure> {
    let url = settings.url.0.as_str();
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    match scheme.as_str() {
        "postgres" | "postgresql" => postgres(settings),
        "mysql" | "mariadb" => mysql(settings),
        "sqlite" => sqlite(settings),
        _ => Err(Failure::argument("its `url` begins with none of postgres://, mysql:// and sqlite:")),
    }
}

fn postgres(settings: &SqlSettings) -> Result<Options, Failure> {
    let url = settings.url.0.as_str();
    known(url, &POSTGRES)?;
    let mut options = PgConnectOptions::from_str(url).map_err(unusable)?;
    if let Some(password) = &settings.password {
        options = options.password(&password.0);
    }
    if options.get_application_name().is_none() {
        options = options.application_name("agi-rhai");
    }
    if settings.read_only {
        options = options.options([("default_transaction_read_only", "on")]);
    }
    if let Some(Secret(ca)) = &settings.ca {
        options = options.ssl_root_cert_from_pem(ca.clone().into_bytes());
        if !has(url, &["sslmode", "ssl-mode"]) {
            options = options.ssl_mode(PgSslMode::VerifyFull);
        }
    } else if matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull)
        && !has(url, &["sslrootcert", "ssl-root-cert", "ssl-ca"])
    {
        options = options.ssl_root_cert_from_pem(tls::system_pem());
    }
    options = options.statement_cache_capacity(PREPARED).disable_statement_logging();
    Ok(Options::Postgres(Box::new(options)))
}

fn mysql(settings: &SqlSettings) -> Result<Options, Failure> {
    let url = settings.url.0.as_str();
    known(url, &MYSQL)?;
    let mut options = MySqlConnectOptions::from_str(url).map_err(unusable)?;
    if let Some(password) = &settings.password {
        options = options.password(&password.0);
    }
    if let Some(Secret(ca)) = &settings.ca {
        options = options.ssl_ca_from_pem(ca.clone().into_bytes());
        if !has(url, &["ssl-mode"]) {
            options = options.ssl_mode(MySqlSslMode::VerifyIdentity);
        }
    } else if matches!(options.get_ssl_mode(), MySqlSslMode::VerifyCa | MySqlSslMode::VerifyIdentity)
        && !has(url, &["ssl-ca"])
    {
        options = options.ssl_ca_from_pem(tls::system_pem());
    }
    // SQL means what it means to every other client of this server.
    options = options.pipes_as_concat(false).no_engine_substitution(false);
    if !has(url, &["timezone"]) {
        options = options.timezone(None);
    }
    options = options.statement_cache_capacity(PREPARED).disable_statement_logging();
    Ok(Options::MySql(Box::new(options)))
}

fn sqlite(settings: &SqlSettings) -> Result<Options, Failure> {
    let url = settings.url.0.as_str();
    let in_memory = url.contains(":memory:") || url.contains("mode=memory");
    let mut options = SqliteConnectOptions::from_str(url).map_err(unusable)?;
    options = options.row_buffer_size(ROWS_AHEAD).statement_cache_capacity(PREPARED).disable_statement_logging();
    if settings.read_only && !in_memory {
        options = options.read_only(true);
    }
    Ok(Options::Sqlite(Box::new(options), in_memory))
}

/// Returns the names of the parameters of an address.
fn parameters(url: &str) -> impl Iterator<Item = &str> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let names = query.split('#').next().unwrap_or_default().split('&');
    names.map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name)).filter(|name| !name.is_empty())
}

fn has(url: &str, names: &[&str]) -> bool {
    parameters(url).any(|name| names.contains(&name))
}

fn known(url: &str, names: &[&str]) -> Result<(), Failure> {
    if parameters(url).any(|name| !names.contains(&name)) {
        return Err(Failure::argument(format!("its `url` has a parameter that isn't among {}", names.join(", "))));
    }
    Ok(())
}

/// The address itself isn't shown: it may hold a password in the wrong place.
fn unusable(error: sqlx::Error) -> Failure {
    let why = match error {
        sqlx::Error::Configuration(error) => error.to_string(),
        other => other.to_string(),
    };
    // Whatever is quoted is a part of the address.
    let why = if why.contains(['`', '"', '\'']) { "it isn't an address".to_owned() } else { why };
    Failure::argument(format!("its `url` can't be used: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_never_shown() {
        for url in [
            "postgres://ivr:geheim@db:99999/crm",
            "postgres://ivr:geheim@db/crm?sslmode=geheim",
            "postgres://ivr:geheim@db/crm?sslmood=geheim",
            "postgres://ivr:gehe#im@@db:geheim/crm",
            "mysql://ivr:geheim@db/crm?ssl-mode=geheim",
            "oracle://ivr:geheim@db/crm",
            "geheim",
        ] {
            let settings: SqlSettings = toml::from_str(&format!("url = \"{url}\"")).expect("settings");
            let failure = of(&settings).err().expect("it can't be used");
            assert!(!failure.message.contains("geheim") && failure.message.contains("`url`"), "{failure}");
        }
    }
}
