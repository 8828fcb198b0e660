//! The small servers of the demo, each on a free port of this machine, and the plain pages that they show to people.

use std::sync::Arc;

use axum::Router;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Where the present moment comes from.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Serves a router on a free port until `servers` is dropped; answers its address without a slash at the end.
///
/// # Errors
/// No port is free.
pub(crate) async fn serve(servers: &mut JoinSet<()>, router: Router) -> anyhow::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    servers.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(cause = %error, "a server of the demo stopped");
        }
    });
    Ok(format!("http://{address}"))
}

const STYLE: &str = "body{font:17px/1.55 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#23201d;background:#fffdf9}\
h1{line-height:1.2}a{color:#8a3b12}article{border:1px solid #d9d2c7;border-radius:.6rem;padding:1rem 1.3rem;margin:1.2rem 0;background:#fff}\
article h2{margin:0 0 .3rem;font-size:1.1rem}.soft{color:#5d564d;font-size:.9rem}pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit;margin:.8rem 0 0}\
table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.35rem .8rem .35rem 0;border-bottom:1px solid #e6e0d6}";

/// A page with a title; `body` is HTML.
pub(crate) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>"
    )
}

/// A table of texts.
pub(crate) fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut html = String::from("<table><tr>");
    head.iter()
        .for_each(|cell| html.push_str(&format!("<th scope=\"col\">{}</th>", escape(cell))));
    html.push_str("</tr>");
    for row in rows {
        html.push_str("<tr>");
        row.iter()
            .for_each(|cell| html.push_str(&format!("<td>{}</td>", escape(cell))));
        html.push_str("</tr>");
    }
    html.push_str("</table>");
    html
}

/// Text as it may stand in HTML.
pub(crate) fn escape(text: &str) -> String {
    text.chars().fold(
        String::with_capacity(text.len()),
        |mut escaped, character| {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                other => escaped.push(other),
            }
            escaped
        },
    )
}
