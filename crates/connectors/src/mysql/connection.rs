//! Connecting to MySQL or MariaDB: what a URL may say, TLS as its `sslmode` wants it, and what every session begins with.

use std::path::PathBuf;

use mysql_async::{Opts, OptsBuilder, PoolConstraints, PoolOpts, SslOpts};

use super::MysqlConfig;
use crate::postgres::unescape;

/// Reads the URL; errors are in words and hold nothing of it.
pub(super) fn options(config: &MysqlConfig) -> Result<Opts, String> {
    let (url, mode, root) = split(config.url.expose());
    let unreadable = "its URL can't be read; it should look like `mysql://account:password@host:3306/database?sslmode=verify-full`";
    let options = Opts::from_url(&url).map_err(|_| unreadable.to_owned())?;
    let tls = tls(mode.as_deref(), root)?;
    let lock = config.lock_timeout_seconds.unwrap_or(5).max(1);
    let statement = config.statement_timeout_seconds.unwrap_or(300);
    // One way to write moments; and an end to waiting, each server in its own words.
    let hello = format!(
        "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = {lock} \
         /*M!100100 , max_statement_time = {statement} */ /*!80000 , max_execution_time = {} */",
        statement.saturating_mul(1_000)
    );
    let most = PoolConstraints::new(0, config.pool.unwrap_or(4).max(1)).unwrap_or_default();
    let builder = OptsBuilder::from_opts(options)
        .prefer_socket(false)
        .client_found_rows(true)
        .stmt_cache_size(128_usize)
        .setup(vec![hello])
        .pool_opts(
            PoolOpts::default()
                .with_constraints(most)
                .with_reset_connection(true),
        );
    Ok(match tls {
        Some(tls) => builder.ssl_opts(tls).into(),
        None => builder.into(),
    })
}

/// Takes out of the URL what the driver doesn't know.
fn split(url: &str) -> (String, Option<String>, Option<PathBuf>) {
    let Some((base, query)) = url.split_once('?') else {
        return (url.to_owned(), None, None);
    };
    let (mut mode, mut root, mut rest) = (None, None, Vec::new());
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode" | "ssl-mode", value)) => mode = Some(value.to_ascii_lowercase()),
            Some(("sslrootcert" | "ssl-ca", value)) => root = Some(PathBuf::from(unescape(value))),
            _ => rest.push(pair),
        }
    }
    (
        if rest.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", rest.join("&"))
        },
        mode,
        root,
    )
}

fn tls(mode: Option<&str>, root: Option<PathBuf>) -> Result<Option<SslOpts>, String> {
    let roots = root.map(|path| vec![path.into()]).unwrap_or_default();
    let tls = SslOpts::default().with_root_certs(roots);
    match mode {
        None | Some("disable" | "disabled") => Ok(None),
        Some("require" | "required") => Ok(Some(tls.with_danger_accept_invalid_certs(true))),
        Some("verify-ca" | "verify_ca") => Ok(Some(tls.with_danger_skip_domain_validation(true))),
        Some("verify-full" | "verify_identity") => Ok(Some(tls)),
        Some(_) => Err(
            "its URL's `sslmode` is none of `disable`, `require`, `verify-ca`, `verify-full`"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_what_the_driver_knows() {
        let (url, mode, root) =
            split("mysql://a:b@h/d?sslmode=VERIFY-CA&tcp_keepalive=1&sslrootcert=%2Fa%20b");
        assert_eq!(url, "mysql://a:b@h/d?tcp_keepalive=1");
        assert_eq!(
            (mode.as_deref(), root),
            (Some("verify-ca"), Some(PathBuf::from("/a b")))
        );
        assert!(tls(Some("sometimes"), None).is_err());
    }
}
