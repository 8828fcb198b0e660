//! The online shop's database: customers, orders, cards, invoices. Rows are made in bulk, in one transaction.

use std::path::Path;

use domain::progress::Progress;
use jiff::civil::Date;
use rusqlite::{Connection, Transaction, params};

use crate::customer::{Customer, Customers, MAYA, SPOUSE, days_before};
use crate::random::Random;

/// Days between Maya's orders and today. The first one is older than the time for which tax law keeps invoices.
const MAYAS_ORDERS: [u32; 5] = [3_000, 900, 400, 60, 5];

const SCHEMA: &str = "
CREATE TABLE product (product_id INTEGER PRIMARY KEY, name TEXT NOT NULL, shelf TEXT NOT NULL, price_cents INTEGER NOT NULL);
CREATE TABLE address (address_id INTEGER PRIMARY KEY, street TEXT NOT NULL, city TEXT NOT NULL, state TEXT NOT NULL, postal_code TEXT NOT NULL);
CREATE TABLE customer (
    customer_id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE COLLATE NOCASE, first_name TEXT NOT NULL, last_name TEXT NOT NULL,
    phone TEXT, birth_date TEXT, taste TEXT, customer_since TEXT NOT NULL);
CREATE TABLE customer_address (
    customer_id INTEGER NOT NULL REFERENCES customer, address_id INTEGER NOT NULL REFERENCES address, label TEXT NOT NULL,
    PRIMARY KEY (customer_id, address_id)) WITHOUT ROWID;
CREATE TABLE payment_card (
    card_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer, card_number TEXT NOT NULL, holder TEXT NOT NULL, expires TEXT NOT NULL);
CREATE TABLE orders (
    order_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer, ship_to INTEGER NOT NULL REFERENCES address,
    placed_on TEXT NOT NULL, status TEXT NOT NULL, gift_note TEXT);
CREATE TABLE order_item (
    order_id INTEGER NOT NULL REFERENCES orders, line INTEGER NOT NULL, product_id INTEGER NOT NULL REFERENCES product, quantity INTEGER NOT NULL,
    price_cents INTEGER NOT NULL, PRIMARY KEY (order_id, line)) WITHOUT ROWID;
CREATE TABLE invoice (
    invoice_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer, order_number INTEGER NOT NULL, billed_to TEXT NOT NULL,
    billing_address TEXT NOT NULL, total_cents INTEGER NOT NULL, issued_on TEXT NOT NULL);
CREATE TABLE review (
    review_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer, product_id INTEGER NOT NULL REFERENCES product,
    stars INTEGER NOT NULL, words TEXT, signed TEXT NOT NULL, written_on TEXT NOT NULL);
CREATE TABLE login (
    login_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL UNIQUE REFERENCES customer, password_hash TEXT NOT NULL, last_ip TEXT, last_seen TEXT);
CREATE TABLE newsletter (email TEXT PRIMARY KEY COLLATE NOCASE, subscribed_on TEXT NOT NULL, interests TEXT) WITHOUT ROWID;
";

const INDEXES: &str = "
CREATE INDEX customer_address_address ON customer_address (address_id);
CREATE INDEX payment_card_customer ON payment_card (customer_id);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_address ON orders (ship_to);
CREATE INDEX order_item_product ON order_item (product_id);
CREATE INDEX invoice_customer ON invoice (customer_id);
CREATE INDEX review_customer ON review (customer_id);
CREATE INDEX review_product ON review (product_id);
";

const PRODUCTS: [(&str, &str, u32); 24] = [
    ("Bread flour, 25 lb", "flour", 2_190),
    ("Rye flour, 10 lb", "flour", 1_450),
    ("Spelt flour, 5 lb", "flour", 1_120),
    ("Einkorn flour, 5 lb", "flour", 1_690),
    ("Rice flour, 2 lb", "flour", 640),
    ("Fresh yeast, 12 cubes", "leaven", 890),
    ("Sourdough culture, dried", "leaven", 1_250),
    ("Diastatic malt, 1 lb", "leaven", 975),
    ("Banneton, round, 9 in", "tools", 2_400),
    ("Banneton, long, 12 in", "tools", 2_650),
    ("Bench knife", "tools", 1_380),
    ("Bread lame with 5 blades", "tools", 1_150),
    ("Dutch oven, cast iron", "tools", 7_900),
    ("Proofing cloth, linen", "tools", 1_900),
    ("Digital scale, 0.1 g", "tools", 3_200),
    ("Pizza steel, 14 in", "tools", 8_900),
    ("Vanilla beans, 10", "larder", 2_750),
    ("Couverture, 70 %, 2 lb", "larder", 2_990),
    ("Candied orange peel, 1 lb", "larder", 1_340),
    ("Poppy seed, 2 lb", "larder", 1_560),
    ("Pearl sugar, 1 lb", "larder", 720),
    ("Almond meal, 2 lb", "larder", 1_840),
    ("Cardamom, ground, 4 oz", "larder", 1_090),
    ("Cake boxes, 25", "paper", 1_475),
];

/// Makes the database.
///
/// # Errors
/// The file can't be written.
pub(crate) fn write(
    path: &Path,
    customers: &Customers,
    today: Date,
    progress: &Progress,
) -> anyhow::Result<()> {
    in_bulk(path, |tx| {
        tx.execute_batch(SCHEMA)?;
        let mut shop = Shop {
            tx,
            random: Random::of("shop"),
            customers,
            today,
            orders: 0,
        };
        shop.shelves()?;
        for (done, customer) in (1..).zip(&customers.all) {
            shop.customer(customer)?;
            progress.tell("customers invented", done, customers.all.len() as u64);
        }
        Ok(tx.execute_batch(INDEXES)?)
    })
}

/// Fills a new SQLite file in one transaction, without waiting for the disk: a demo that loses power starts anew.
pub(crate) fn in_bulk(
    path: &Path,
    fill: impl FnOnce(&Transaction<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -64000;",
    )?;
    connection.set_prepared_statement_cache_capacity(32);
    let tx = connection.transaction()?;
    fill(&tx)?;
    tx.commit()?;
    Ok(connection.execute_batch("PRAGMA journal_mode = WAL;")?)
}

/// Adds a row.
pub(crate) fn add(
    tx: &Transaction<'_>,
    sql: &str,
    values: impl rusqlite::Params,
) -> anyhow::Result<()> {
    tx.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// The database while it is filled.
struct Shop<'a> {
    tx: &'a Transaction<'a>,
    random: Random,
    customers: &'a Customers,
    today: Date,
    orders: u32,
}

impl Shop<'_> {
    fn shelves(&self) -> anyhow::Result<()> {
        for (number, (name, shelf, price)) in (1..).zip(PRODUCTS) {
            add(
                self.tx,
                "INSERT INTO product VALUES (?1, ?2, ?3, ?4)",
                params![number, name, shelf, price],
            )?;
        }
        for address in &self.customers.addresses {
            add(
                self.tx,
                "INSERT INTO address VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    address.number,
                    address.street,
                    address.city,
                    address.state,
                    address.postal_code
                ],
            )?;
        }
        Ok(())
    }

    fn customer(&mut self, customer: &Customer) -> anyhow::Result<()> {
        let taste = self.random.pick(&[
            "sourdough, spends more in winter",
            "gluten-free, price-sensitive",
            "wedding cakes, likely a business",
            "hobby baker, responds to vouchers",
        ]);
        add(
            self.tx,
            "INSERT INTO customer VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                customer.number,
                customer.email,
                customer.first_name,
                customer.last_name,
                customer.phone,
                customer.birth_date.map(|day| day.to_string()),
                taste,
                customer.since.to_string()
            ],
        )?;
        add(
            self.tx,
            "INSERT INTO customer_address VALUES (?1, ?2, 'home')",
            params![customer.number, customer.address],
        )?;
        for days in self.order_days(customer) {
            self.order(customer, days)?;
        }
        self.beside_orders(customer)
    }

    fn order_days(&mut self, customer: &Customer) -> Vec<u32> {
        match customer.number {
            MAYA => MAYAS_ORDERS.to_vec(),
            SPOUSE => vec![210, 30],
            _ => {
                let oldest = customer
                    .since
                    .until(self.today)
                    .map_or(1, |span| u32::try_from(span.get_days()).unwrap_or(1));
                (0..=self.random.below(3))
                    .map(|order| {
                        if order == 0 {
                            oldest
                        } else {
                            self.random.below(oldest)
                        }
                    })
                    .collect()
            }
        }
    }

    fn order(&mut self, customer: &Customer, days: u32) -> anyhow::Result<()> {
        self.orders += 1;
        let (order, placed_on) = (self.orders, days_before(self.today, days).to_string());
        let gift_note = self
            .random
            .happens(6)
            .then_some("Happy birthday! Leave it at the back door, the dog is friendly.");
        let status = if days < 4 { "packed" } else { "delivered" };
        add(
            self.tx,
            "INSERT INTO orders VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                order,
                customer.number,
                customer.address,
                placed_on,
                status,
                gift_note
            ],
        )?;
        let total = self.items(order)?;
        let address = self
            .customers
            .address_of(customer)
            .map(crate::customer::Address::line)
            .unwrap_or_default();
        add(
            self.tx,
            "INSERT INTO invoice VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                500_000 + order,
                customer.number,
                order,
                customer.full_name(),
                address,
                total,
                placed_on
            ],
        )
    }

    fn items(&mut self, order: u32) -> anyhow::Result<u32> {
        let mut total = 0;
        for line in 1..=1 + self.random.below(3) {
            let product = self.random.below(24);
            let price = PRODUCTS
                .get(product as usize)
                .map_or(0, |(_, _, price)| *price);
            let quantity = 1 + self.random.below(4);
            total += price * quantity;
            add(
                self.tx,
                "INSERT INTO order_item VALUES (?1, ?2, ?3, ?4, ?5)",
                params![order, line, product + 1, quantity, price],
            )?;
        }
        Ok(total)
    }

    fn beside_orders(&mut self, customer: &Customer) -> anyhow::Result<()> {
        let always = customer.number == MAYA;
        if always || self.random.happens(60) {
            self.card(customer)?;
        }
        if always || self.random.happens(25) {
            self.review(customer)?;
        }
        if always || self.random.happens(70) {
            self.login(customer.number)?;
        }
        if always || self.random.happens(40) {
            self.newsletter(customer)?;
        }
        Ok(())
    }

    fn card(&mut self, customer: &Customer) -> anyhow::Result<()> {
        let expires = format!(
            "{:02}/{:02}",
            1 + self.random.below(12),
            27 + self.random.below(5)
        );
        let sql = "INSERT INTO payment_card (customer_id, card_number, holder, expires) VALUES (?1, ?2, ?3, ?4)";
        add(
            self.tx,
            sql,
            params![
                customer.number,
                card_number(customer.number),
                customer.full_name(),
                expires
            ],
        )
    }

    fn review(&mut self, customer: &Customer) -> anyhow::Result<()> {
        let (product, stars) = (1 + self.random.below(24), 1 + self.random.below(5));
        let words = self.random.pick(&REVIEWS);
        let written_on = days_before(self.today, self.random.below(900)).to_string();
        let sql = "INSERT INTO review (customer_id, product_id, stars, words, signed, written_on) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        add(
            self.tx,
            sql,
            params![
                customer.number,
                product,
                stars,
                words,
                customer.full_name(),
                written_on
            ],
        )
    }

    fn login(&mut self, number: u32) -> anyhow::Result<()> {
        let ip = format!("198.51.{}.{}", 100 + number / 250 % 100, number % 250);
        let day = days_before(self.today, self.random.below(300));
        let seen = format!(
            "{day}T{:02}:{:02}:00Z",
            self.random.below(24),
            self.random.below(60)
        );
        let hash = format!("$argon2id$v=19$demo${number:08x}");
        let sql = "INSERT INTO login (customer_id, password_hash, last_ip, last_seen) VALUES (?1, ?2, ?3, ?4)";
        add(self.tx, sql, params![number, hash, ip, seen])
    }

    fn newsletter(&self, customer: &Customer) -> anyhow::Result<()> {
        // People type their address in many ways.
        let is_shouted = customer.number == MAYA || customer.number.is_multiple_of(3);
        let email = if is_shouted {
            customer.email.to_uppercase()
        } else {
            customer.email.clone()
        };
        let sql = "INSERT INTO newsletter VALUES (?1, ?2, ?3)";
        add(
            self.tx,
            sql,
            params![email, customer.since.to_string(), "recipes, offers"],
        )
    }
}

/// Some that a page must not take for anything but text.
const REVIEWS: [&str; 6] = [
    "Rises like a dream.",
    "Arrived with a torn bag, <b>twice</b>.",
    "=SUM(1+1) stars if I could",
    "Good, but the \"organic\" label isn't.",
    "最高です",
    "Очень вкусно",
];

/// A card number that no bank gives out but that passes the check of its last digit (ISO/IEC 7812-1).
pub fn card_number(customer: u32) -> String {
    let body = format!("4000000{customer:08}");
    let sum: u32 = body
        .bytes()
        .enumerate()
        .map(|(place, digit)| check_value(u32::from(digit - b'0'), place % 2 == 0))
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

const fn check_value(digit: u32, doubled: bool) -> u32 {
    match (doubled, digit) {
        (false, _) => digit,
        (true, ..5) => digit * 2,
        (true, _) => digit * 2 - 9,
    }
}
