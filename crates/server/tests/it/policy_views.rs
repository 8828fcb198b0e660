//! `privity policy compile postgres` and `privity policy postgres` as somebody types them, over a PostgreSQL of one's own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const PROFILE: &str = "version: 1
sources:
  - { source: shop, number: 1, title: Shop, record: number, proves: [number] }
attributes:
  - { attribute: number, number: 1, title: Number, category: user.unique_id, identifier: { rule: verbatim, unique: true } }
  - { attribute: email, number: 2, title: E-mail, category: user.contact.email }
  - { attribute: first_name, number: 3, title: First name, category: user.name.first }
sync:
  - source: shop
    collection: shop.customer
    fields: { number: no, email: email, first_name: first }
";

const MAP: &str = "systems:
  shop: { title: Shop, connection: { kind: postgres, url: 'URL?sslmode=disable' } }
datasets:
  shop:
    system: shop
    collections:
      customer:
        primary_key: [no]
        fields:
          no: { category: user.unique_id, type: integer, nullable: false }
          email: { category: user.contact.email }
          first: { category: user.name.first }
recipients:
  mill: { title: Paper Mill, role: service_provider, contract_compliant: true, categories: [user.name, user.unique_id, user.contact], purpose: prints, known_by: [email], channel: { kind: email, to: desk@mill.example } }
";

const PURPOSES: &str = "purposes:
  catalogue:
    title: {en: Catalogue}
    description: {en: We send you a catalogue.}
    categories: [user.contact, user.name, user.unique_id]
    choice: none
    recipients: [mill]
";

const POLICIES: &str = r#"
@id("shop.catalogue")
@citation("Contract")
@title("T")
@reason_subject("S")
@reason_operator("O")
permit (principal == Recipient::"mill", action == Action::"catalogue", resource) when { resource in [Category::"user.name", Category::"user.unique_id"] };

@id("shop.link")
@citation("Contract")
@title("T")
@reason_subject("S")
@reason_operator("O")
@release("token")
permit (principal == Recipient::"mill", action == Action::"catalogue", resource == Attribute::"email");
"#;

/// A database and a role that go with it.
struct Shop {
    server: String,
    name: String,
    folder: tempfile::TempDir,
}

impl Shop {
    /// `None` where there is no PostgreSQL.
    fn open() -> Option<Self> {
        let Ok(server) = std::env::var("PRIVITY_TEST_POSTGRES") else {
            #[expect(clippy::print_stdout, reason = "the test runner shows it")]
            {
                println!("did not run: PRIVITY_TEST_POSTGRES names no server");
            }
            return None;
        };
        let name = format!("privity_command_{}", std::process::id());
        psql(&server, &format!("CREATE DATABASE {name}"));
        psql(&server, &format!("CREATE ROLE {name}"));
        let folder = tempfile::tempdir().unwrap();
        let shop = Self {
            server,
            name,
            folder,
        };
        shop.run("CREATE TABLE customer (no integer PRIMARY KEY, email text, first text); INSERT INTO customer VALUES (1, 'maya@example.org', 'Maya'), (2, 'sam@example.org', 'Sam')");
        let settings = format!(
            "business: {{name: 'Crumb & Co.', privacy_contact: privacy@crumb.example}}\nbase_url: http://shop.test\ndata_map: map.yaml\nmail: {{url: 'smtp://127.0.0.1:9', tls: none, from: privacy@crumb.example}}\nprofile: profile.yaml\nconsent: consent\npolicies: policies\nviews:\n  - {{ system: shop, roles: {{ mill: {} }} }}\n",
            shop.name
        );
        for (file, text) in [
            ("privity.yaml", settings.as_str()),
            ("map.yaml", &MAP.replace("URL", &shop.url())),
            ("profile.yaml", PROFILE),
            ("consent/purposes.yaml", PURPOSES),
            ("consent/notices.yaml", "notices: []\n"),
            ("policies/company.cedar", POLICIES),
        ] {
            let path = shop.folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Some(shop)
    }

    fn url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').unwrap();
        format!("{server}/{}", self.name)
    }

    fn run(&self, sql: &str) -> String {
        psql(&self.url(), sql)
    }

    fn reads(&self, sql: &str) -> String {
        self.run(&format!("SET ROLE {}; {sql}", self.name))
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let name = &self.name;
        self.run(&format!("DROP OWNED BY {name} CASCADE; DROP ROLE {name}"));
        psql(&self.server, &format!("DROP DATABASE {name} WITH (FORCE)"));
    }
}

fn psql(url: &str, sql: &str) -> String {
    let arguments = [
        "-X",
        "-q",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        "-c",
        sql,
        url,
    ];
    let output = Command::new("psql").args(arguments).output().unwrap();
    assert!(output.status.success(), "{sql}: {}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The exit code, and what was said on both channels.
fn privity(folder: &Path, arguments: &str) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_privity"))
        .arg("--config")
        .arg(folder.join("privity.yaml"))
        .args(arguments.split(' '))
        .env("NO_COLOR", "1")
        .current_dir(folder)
        .output()
        .unwrap();
    (status.code().unwrap(), text(&stdout), text(&stderr))
}

#[test]
fn views_are_compiled_applied_filled_and_checked() {
    let Some(shop) = Shop::open() else { return };
    let folder = shop.folder.path();
    let (code, said, problem) = privity(folder, "profile sync shop");
    assert_eq!(code, 0, "{said}{problem}");

    let (code, sql, problem) = privity(folder, "policy compile postgres --system shop");
    assert_eq!(code, 0, "{problem}");
    assert!(
        sql.contains(
            "CREATE VIEW \"privity_mill__catalogue\".\"customer\" WITH (security_barrier)"
        ),
        "{sql}"
    );
    assert!(
        sql.contains("-- \"email\" of \"customer\" is NULL wherever policies let out a token"),
        "{sql}"
    );

    // Nothing was written yet: said by whoever looks, and by whoever would fill it.
    let (code, said, _) = privity(folder, "policy postgres check --system shop");
    assert_eq!(code, 1);
    assert_eq!(
        said,
        "nothing was ever written there; run `privity policy postgres apply`\n"
    );
    let (code, _, problem) = privity(folder, "policy postgres refresh --system shop");
    assert_ne!(code, 0);
    assert!(
        problem.contains("run `privity policy postgres apply`"),
        "{problem}"
    );

    let (code, said, problem) = privity(folder, "policy postgres apply --system shop");
    assert_eq!(code, 0, "{problem}");
    assert!(
        said.starts_with(
            "1 views are written. Next: `privity policy postgres refresh --system shop`"
        ),
        "{said}"
    );
    assert!(
        said.contains("doesn't belong in that database: `privity_mill__catalogue.customer.email`."),
        "{said}"
    );

    // They are empty, and that is a difference.
    let rows = "SELECT no, email, first FROM privity_mill__catalogue.customer ORDER BY 1";
    assert_eq!(shop.reads(rows), "");
    let (code, said, _) = privity(folder, "policy postgres check --system shop --json");
    let found: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (
            code,
            &found["ok"],
            found["differences"].as_array().unwrap().len()
        ),
        (1, &json!(false), 1)
    );
    assert_eq!(
        found["differences"][0]["what"],
        "nothing was refreshed within 60 seconds"
    );

    shop.run("INSERT INTO customer VALUES (9, 'jo@example.org', 'Jo')");
    let (code, said, problem) = privity(folder, "policy postgres refresh --system shop --json");
    assert_eq!(code, 0, "{problem}");
    let filled: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&filled["disclosed"], &filled["unknown"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(shop.reads(rows), "1||Maya\n2||Sam");
    let (code, said, _) = privity(folder, "policy postgres refresh --system shop");
    assert_eq!(code, 0);
    assert!(said.contains("0 disclosures were recorded"), "{said}");
    let (code, said, _) = privity(folder, "policy postgres check --system shop");
    assert_eq!(
        (code, said.as_str()),
        (
            0,
            "Views, grants and row security are as they would be written, and the views are fresh.\n"
        )
    );

    shop.run(&format!("GRANT SELECT ON customer TO {}", shop.name));
    let (code, said, _) = privity(folder, "policy postgres check --system shop");
    assert_eq!(code, 1);
    assert!(
        said.contains("may read the table \"customer\" itself; revoke it"),
        "{said}"
    );

    for command in [
        "compile postgres",
        "postgres apply",
        "postgres refresh",
        "postgres check",
    ] {
        let (code, said, problem) = privity(folder, &format!("policy {command} --system crm"));
        assert_ne!(code, 0, "{said}");
        assert!(
            problem
                .contains("the settings name no views in `crm`; add `- system: crm` under `views`"),
            "{command}: {problem}"
        );
    }
}
