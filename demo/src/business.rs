//! Hearth & Crumb, bakery supplies: an invented business, complete. Its databases, its help desk, those who got its data, and its mail.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use domain::progress::Progress;
use jiff::tz::TimeZone;
use tokio::task::JoinSet;

use crate::customer::{Customer, Customers, MAYA, SPOUSE};
use crate::help_desk::{self, HelpDesk};
use crate::loopback::Now;
use crate::mailbox::{self, Mailbox};
use crate::parcel_post::{self, ParcelPost};
use crate::shop_api::{self, ShopApi};
use crate::sweet_leads::{self, SweetLeads};
use crate::{crm, shop};

/// How many customers the demo has.
pub const CUSTOMERS: u32 = 10_000;

/// The privacy desk of the mail house, as the data map has it.
pub const PAPER_MILL: &str = "privacy@paper-mill.example";

/// The data map's files by name. `${NAME}` stands for what is only known once the servers run.
const DATA_MAP: [(&str, &str); 4] = [
    ("shop.yaml", include_str!("../data-map/shop.yaml")),
    ("crm.yaml", include_str!("../data-map/crm.yaml")),
    ("help-desk.yaml", include_str!("../data-map/help-desk.yaml")),
    (
        "recipients.yaml",
        include_str!("../data-map/recipients.yaml"),
    ),
];

/// Its purposes and notices.
const CONSENT: [(&str, &str); 2] = [
    ("purposes.yaml", include_str!("../consent/purposes.yaml")),
    ("notices.yaml", include_str!("../consent/notices.yaml")),
];

/// Its policies, and the cases that they have to come out as.
const POLICIES: [(&str, &str); 2] = [
    ("company.cedar", include_str!("../policies/company.cedar")),
    ("tests.yaml", include_str!("../policies/tests.yaml")),
];

/// The routes of the gateway before its shop's API.
const ROUTES: &str = include_str!("../routes/shop.yaml");

/// The business while it runs. Dropping it stops its servers.
pub struct Business {
    /// Where its files are.
    pub dir: PathBuf,
    /// The shop's database.
    pub shop: PathBuf,
    /// The sales team's database.
    pub crm: PathBuf,
    /// The folder of the data map, filled in.
    pub data_map: PathBuf,
    /// The folder of its purposes and notices.
    pub consent: PathBuf,
    /// The folder of its policies.
    pub policies: PathBuf,
    /// The folder of the gateway's routes, filled in.
    pub routes: PathBuf,
    /// Everybody.
    pub people: std::sync::Arc<Customers>,
    /// How many customers it has.
    pub customers: usize,
    /// She is furious.
    pub maya: Customer,
    /// Her husband, who is not.
    pub spouse: Customer,
    /// The help desk.
    pub help_desk: HelpDesk,
    /// The shop's own API.
    pub shop_api: ShopApi,
    /// Carries its parcels.
    pub parcel_post: ParcelPost,
    /// Bought its customers' data.
    pub sweet_leads: SweetLeads,
    /// Its mail server.
    pub mailbox: Mailbox,
    _servers: JoinSet<()>,
}

/// Invents `customers` customers, at least as many as it takes for Maya and her husband to be among them, writes the databases
/// into `dir`, which must be empty, and starts all servers on this machine.
///
/// # Errors
/// The folder can't be written, or no port is free.
pub async fn start_business(dir: &Path, customers: u32, now: Now) -> anyhow::Result<Business> {
    start_business_watched(dir, customers, now, &Progress::unwatched()).await
}

/// [`start_business`], telling how many customers the shop has of all.
///
/// # Errors
/// As [`start_business`].
pub async fn start_business_watched(
    dir: &Path,
    customers: u32,
    now: Now,
    progress: &Progress,
) -> anyhow::Result<Business> {
    let dir = dir.canonicalize().with_context(|| {
        format!(
            "the folder `{}` can't be opened; choose another",
            dir.display()
        )
    })?;
    let today = now().to_zoned(TimeZone::UTC).date();
    let all = std::sync::Arc::new(Customers::invent(customers.max(SPOUSE), today));
    let (shop, crm) = (dir.join("shop.sqlite"), dir.join("crm.sqlite"));
    let (path, people, told) = (shop.clone(), all.clone(), progress.clone());
    let shop_made = tokio::task::spawn_blocking(move || shop::write(&path, &people, today, &told));
    let (path, people) = (crm.clone(), all.clone());
    let crm_made = tokio::task::spawn_blocking(move || crm::write(&path, &people, today));
    let mut servers = JoinSet::new();
    let help_desk = help_desk::start(&mut servers, &all, today).await?;
    let shop_api = shop_api::start(&mut servers, &shop).await?;
    let parcel_post = parcel_post::start(&mut servers, &all, now.clone()).await?;
    let sweet_leads = sweet_leads::start(&mut servers, &all, now.clone()).await?;
    let mailbox = mailbox::start(&mut servers, now).await?;
    shop_made
        .await?
        .context("the shop's database can't be written")?;
    crm_made
        .await?
        .context("the sales team's database can't be written")?;
    let person = |number| {
        all.by_number(number)
            .cloned()
            .context("the invented customers are incomplete")
    };
    let (maya, spouse) = (person(MAYA)?, person(SPOUSE)?);
    let (data_map, consent) = (dir.join("data-map"), dir.join("consent"));
    let (policies, routes) = (dir.join("policies"), dir.join("routes"));
    let business = Business {
        dir,
        shop,
        crm,
        data_map,
        consent,
        policies,
        routes,
        customers: all.all.len(),
        people: all,
        maya,
        spouse,
        help_desk,
        shop_api,
        parcel_post,
        sweet_leads,
        mailbox,
        _servers: servers,
    };
    business.write_data_map()?;
    write_all(&business.consent, &CONSENT)?;
    write_all(&business.policies, &POLICIES)?;
    let routes = ROUTES
        .replace(
            "${SHOP_API}",
            &format!("{}/api/customers/{{number}}", business.shop_api.url),
        )
        .replace(
            "${SHOP_API_TOKEN}",
            &format!("Bearer {}", business.shop_api.token),
        );
    write_all(&business.routes, &[("shop.yaml", &routes)])?;
    Ok(business)
}

fn write_all(folder: &std::path::Path, files: &[(&str, &str)]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, text) in files {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}

impl Business {
    fn write_data_map(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.data_map)?;
        let values = self.values();
        for (name, text) in DATA_MAP {
            let filled = values.iter().fold(text.to_owned(), |text, (name, value)| {
                // A JSON text is a YAML text, whatever is in it.
                text.replace(
                    &format!("\"${{{name}}}\""),
                    &serde_json::Value::from(value.as_str()).to_string(),
                )
            });
            std::fs::write(self.data_map.join(name), filled)?;
        }
        Ok(())
    }

    fn values(&self) -> [(&'static str, String); 11] {
        let (desk, post, leads) = (&self.help_desk, &self.parcel_post, &self.sweet_leads);
        [
            ("SHOP_DATABASE", self.shop.display().to_string()),
            ("CRM_DATABASE", self.crm.display().to_string()),
            ("HELP_DESK_API", format!("{}/api/v1", desk.url)),
            ("HELP_DESK_TOKEN", desk.token.clone()),
            ("PARCEL_POST_API", format!("{}/v2", post.url)),
            ("PARCEL_POST_TOKEN", post.token.clone()),
            ("PARCEL_POST_AUTHORITY", post.authority.clone()),
            ("SWEET_LEADS_HOOK", format!("{}/privacy", leads.url)),
            ("SWEET_LEADS_PROBE", format!("{}/probe", leads.url)),
            ("SWEET_LEADS_SECRET", leads.secret.clone()),
            ("SWEET_LEADS_KEY", leads.public_key.clone()),
        ]
    }
}
