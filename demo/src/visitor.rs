//! Somebody with a browser: opens pages and sends forms, as subjects, operators and privacy desks do.

use std::collections::BTreeMap;
use std::io::Read as _;

use anyhow::Context as _;
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};

/// A browser that follows nothing by itself.
pub(crate) struct Visitor {
    client: Client,
    base: String,
    cookie: Option<String>,
}

/// What came back.
pub(crate) struct Page {
    /// The status.
    pub(crate) status: u16,
    /// Where it leads on to.
    pub(crate) location: Option<String>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Page {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Where a form that was taken leads on to.
    ///
    /// # Errors
    /// The form was not taken.
    pub(crate) fn leads_to(&self) -> anyhow::Result<String> {
        self.location
            .clone()
            .filter(|_| self.status == 303)
            .with_context(|| format!("the form was not taken: it was answered {}", self.status))
    }
}

impl Visitor {
    /// A visitor of the pages at `base`.
    ///
    /// # Errors
    /// No client can be made.
    pub(crate) fn new(base: &str) -> anyhow::Result<Self> {
        Ok(Self {
            client: Client::builder()
                .redirect(Policy::none())
                .timeout(std::time::Duration::from_secs(30))
                .build()?,
            base: base.to_owned(),
            cookie: None,
        })
    }

    /// Opens a page, by its path or its address.
    ///
    /// # Errors
    /// Nobody answers.
    pub(crate) async fn open(&self, path: &str) -> anyhow::Result<Page> {
        self.send(self.client.get(self.address(path))).await
    }

    /// Sends a form.
    ///
    /// # Errors
    /// Nobody answers.
    pub(crate) async fn fill(&self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<Page> {
        self.send(self.client.post(self.address(path)).form(fields))
            .await
    }

    /// Sends a form that has a place for a file, which stays empty.
    ///
    /// # Errors
    /// Nobody answers.
    pub(crate) async fn fill_multipart(
        &self,
        path: &str,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<Page> {
        const BOUNDARY: &str = "hearth-and-crumb-boundary";
        let part = |(name, value): &(&str, &str)| {
            format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
        };
        let body = format!(
            "{}--{BOUNDARY}--\r\n",
            fields.iter().map(part).collect::<String>()
        );
        let request = self
            .client
            .post(self.address(path))
            .header(
                CONTENT_TYPE,
                format!("multipart/form-data; boundary={BOUNDARY}"),
            )
            .body(body);
        self.send(request).await
    }

    /// Signs an operator in with her key.
    ///
    /// # Errors
    /// Nobody answers, or the key is refused.
    pub(crate) async fn sign_in(&mut self, key: &str) -> anyhow::Result<()> {
        let request = self
            .client
            .post(self.address("/console/sign-in"))
            .header(ORIGIN, &self.base)
            .form(&[("key", key)]);
        let response = request.send().await?;
        let cookie = response
            .headers()
            .get(SET_COOKIE)
            .and_then(|cookie| cookie.to_str().ok())
            .and_then(|cookie| cookie.split(';').next());
        self.cookie = Some(
            cookie
                .context("the Console did not let the operator in")?
                .to_owned(),
        );
        Ok(())
    }

    fn address(&self, path: &str) -> String {
        if path.starts_with("http://") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base)
        }
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Page> {
        let request = request.header(ORIGIN, &self.base);
        let request = match &self.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        };
        let response: Response = request.send().await?;
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        Ok(Page {
            status: response.status().as_u16(),
            location,
            body: response.bytes().await?.to_vec(),
        })
    }
}

/// An access package after download.
pub(crate) struct Package {
    /// Its files by name.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Package {
    /// Opens the ZIP.
    ///
    /// # Errors
    /// It is not one.
    pub(crate) fn open(bytes: &[u8]) -> anyhow::Result<Self> {
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes))
            .context("the package is not a ZIP")?;
        let mut files = BTreeMap::new();
        for place in 0..archive.len() {
            let mut file = archive.by_index(place)?;
            let name = file.name()?.into_owned();
            let mut content = Vec::new();
            file.read_to_end(&mut content)?;
            files.insert(name, content);
        }
        Ok(Self { files })
    }

    /// Its rows by collection, as `data.json` has them.
    ///
    /// # Errors
    /// The file is missing or isn't what it should be.
    pub(crate) fn rows(&self) -> anyhow::Result<BTreeMap<String, Vec<serde_json::Value>>> {
        let data: serde_json::Value = serde_json::from_slice(
            self.files
                .get("data.json")
                .context("the package has no data.json")?,
        )?;
        let collections = data
            .get("collections")
            .and_then(serde_json::Value::as_object)
            .context("data.json has no collections")?;
        let rows = |value: &serde_json::Value| {
            value
                .get("rows")
                .and_then(serde_json::Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        Ok(collections
            .iter()
            .map(|(name, value)| (name.clone(), rows(value)))
            .collect())
    }

    /// Everything that can be read in it.
    pub(crate) fn text(&self) -> String {
        self.files
            .values()
            .map(|content| String::from_utf8_lossy(content).into_owned())
            .collect::<Vec<_>>()
            .join("\n")
    }
}
