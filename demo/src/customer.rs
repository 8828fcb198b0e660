//! Customers of the demo's business: invented people with names in many scripts, couples who share an address, and one who is furious.
//!
//! E-mail addresses end in names reserved for examples (RFC 2606), phone numbers begin with an area code that nobody has.

use jiff::civil::{Date, date};

use crate::random::Random;

/// Maya's customer number.
pub const MAYA: u32 = 4217;
/// Her husband's; they share an address.
pub const SPOUSE: u32 = 4218;

/// Somebody who bought baking supplies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The shop's customer number, from 1.
    pub number: u32,
    /// First name in its own script.
    pub first_name: String,
    /// Last name in its own script.
    pub last_name: String,
    /// The e-mail address as typed in the shop.
    pub email: String,
    /// The phone number.
    pub phone: String,
    /// The day of birth, for those who wanted a voucher for it.
    pub birth_date: Option<Date>,
    /// Number of the address, from 1; couples have the same.
    pub address: u32,
    /// The day of the first order.
    pub since: Date,
}

impl Customer {
    /// Both names, as written on a parcel.
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

/// A place to which parcels go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Its number.
    pub number: u32,
    /// House and street.
    pub street: String,
    /// The town.
    pub city: &'static str,
    /// The state.
    pub state: &'static str,
    /// The ZIP code.
    pub postal_code: String,
}

impl Address {
    /// On one line, as an invoice has it.
    pub fn line(&self) -> String {
        format!(
            "{}, {}, {} {}",
            self.street, self.city, self.state, self.postal_code
        )
    }
}

/// Everybody, in the order of their numbers.
pub struct Customers {
    /// The customers.
    pub all: Vec<Customer>,
    /// Their addresses.
    pub addresses: Vec<Address>,
}

impl Customers {
    /// Invents `count` customers, the same ones every time; Maya and her husband are always among them if there are enough.
    pub fn invent(count: u32, today: Date) -> Self {
        let mut random = Random::of("customers");
        let mut all: Vec<Customer> = Vec::new();
        let mut addresses: Vec<Address> = Vec::new();
        for number in 1..=count {
            let mut customer = invent(&mut random, number, today);
            let lives_with = all
                .last()
                .filter(|before| number != MAYA && random.happens(8) && before.number != SPOUSE);
            match (number, lives_with) {
                (MAYA, _) => maya(&mut customer),
                (SPOUSE, _) => spouse(&mut customer, all.last()),
                (_, Some(partner)) => share(&mut customer, partner),
                _ => {}
            }
            if customer.address == 0 {
                customer.address = u32::try_from(addresses.len()).unwrap_or(u32::MAX) + 1;
                addresses.push(address(&mut random, customer.address));
            }
            all.push(customer);
        }
        Self { all, addresses }
    }

    /// A customer by number.
    pub fn by_number(&self, number: u32) -> Option<&Customer> {
        self.all.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// A customer's address.
    pub fn address_of(&self, customer: &Customer) -> Option<&Address> {
        self.addresses
            .get(usize::try_from(customer.address).ok()?.checked_sub(1)?)
    }
}

fn invent(random: &mut Random, number: u32, today: Date) -> Customer {
    let people = random.pick(&PEOPLES);
    let ((first_name, first), (last_name, last)) =
        (random.pick(people.first), random.pick(people.last));
    let host = random.pick(&[
        "example.com",
        "example.net",
        "example.org",
        "post.example",
        "mail.example",
    ]);
    let born = date(1940, 1, 1)
        .checked_add(jiff::Span::new().days(random.below(23_000)))
        .ok();
    Customer {
        number,
        first_name: first_name.to_owned(),
        last_name: last_name.to_owned(),
        email: format!("{first}.{last}.{number}@{host}"),
        phone: format!("+1 555 {:03} {:04}", number / 10_000, number % 10_000),
        birth_date: born.filter(|_| random.happens(40)),
        address: 0,
        since: days_before(today, 30 + random.below(4_000)),
    }
}

/// A date before another one.
pub(crate) fn days_before(day: Date, days: u32) -> Date {
    day.checked_sub(jiff::Span::new().days(days)).unwrap_or(day)
}

fn maya(customer: &mut Customer) {
    customer.first_name = "Maya".to_owned();
    customer.last_name = "Okafor".to_owned();
    customer.email = "maya.okafor@example.com".to_owned();
    customer.birth_date = Some(date(1988, 4, 12));
}

fn spouse(customer: &mut Customer, maya: Option<&Customer>) {
    customer.first_name = "Daniel".to_owned();
    customer.last_name = "Okafor".to_owned();
    customer.email = "daniel.okafor@example.com".to_owned();
    customer.address = maya.map_or(0, |maya| maya.address);
}

fn share(customer: &mut Customer, partner: &Customer) {
    customer.last_name.clone_from(&partner.last_name);
    customer.address = partner.address;
}

fn address(random: &mut Random, number: u32) -> Address {
    let (city, state, zip) = random.pick(&TOWNS);
    let (street, kind) = (
        random.pick(&STREETS),
        random.pick(&["Street", "Avenue", "Lane", "Road", "Way", "Court"]),
    );
    Address {
        number,
        street: format!("{} {street} {kind}", 1 + random.below(9_800)),
        city,
        state,
        postal_code: format!("{zip}{:02}", random.below(100)),
    }
}

/// Names of one language: in its own script, and as they stand in an e-mail address.
#[derive(Clone, Copy)]
struct People {
    first: &'static [(&'static str, &'static str)],
    last: &'static [(&'static str, &'static str)],
}

const TOWNS: [(&str, &str, &str); 16] = [
    ("Oakland", "CA", "946"),
    ("Sacramento", "CA", "958"),
    ("San Diego", "CA", "921"),
    ("Fresno", "CA", "937"),
    ("Los Angeles", "CA", "900"),
    ("San José", "CA", "951"),
    ("Eureka", "CA", "955"),
    ("Denver", "CO", "802"),
    ("Austin", "TX", "787"),
    ("Portland", "OR", "972"),
    ("Richmond", "VA", "232"),
    ("Hartford", "CT", "061"),
    ("Minneapolis", "MN", "554"),
    ("Nashville", "TN", "372"),
    ("Cañon City", "CO", "812"),
    ("Trenton", "NJ", "086"),
];

const STREETS: [&str; 20] = [
    "Rye", "Barley", "Mill", "Orchard", "Harbor", "Juniper", "Sycamore", "Lantern", "Quarry",
    "Meadow", "Canal", "Foundry", "Larkspur", "Peña", "Cooper", "Ashby", "Thistle", "Alder",
    "Granary", "Wharf",
];

const PEOPLES: [People; 14] = [
    People {
        first: &[
            ("Grace", "grace"),
            ("Owen", "owen"),
            ("Ruth", "ruth"),
            ("Elliot", "elliot"),
            ("Hannah", "hannah"),
            ("Walter", "walter"),
            ("June", "june"),
            ("Theo", "theo"),
        ],
        last: &[
            ("Whitlock", "whitlock"),
            ("Baker", "baker"),
            ("O’Leary", "oleary"),
            ("Marsh", "marsh"),
            ("Penhale", "penhale"),
            ("Stone-Reyes", "stone-reyes"),
            ("Hale", "hale"),
            ("Quill", "quill"),
        ],
    },
    People {
        first: &[
            ("Sofía", "sofia"),
            ("Andrés", "andres"),
            ("Lucía", "lucia"),
            ("Iñigo", "inigo"),
            ("Belén", "belen"),
            ("Joaquín", "joaquin"),
        ],
        last: &[
            ("Muñoz", "munoz"),
            ("Pérez García", "perezgarcia"),
            ("Ibáñez", "ibanez"),
            ("de la Cruz", "delacruz"),
            ("Fuentes", "fuentes"),
        ],
    },
    People {
        first: &[
            ("Chloé", "chloe"),
            ("Noël", "noel"),
            ("Maëlle", "maelle"),
            ("François", "francois"),
            ("Zoë", "zoe"),
        ],
        last: &[
            ("Lefèvre", "lefevre"),
            ("D’Aubigné", "daubigne"),
            ("Bézard", "bezard"),
            ("Châtelain", "chatelain"),
        ],
    },
    People {
        first: &[
            ("Jürgen", "juergen"),
            ("Käthe", "kaethe"),
            ("Łukasz", "lukasz"),
            ("Żaneta", "zaneta"),
            ("Søren", "soren"),
            ("Åse", "aase"),
        ],
        last: &[
            ("Großmann", "grossmann"),
            ("Wójcik", "wojcik"),
            ("Østergaard", "oestergaard"),
            ("Straße", "strasse"),
            ("Kowalczyk", "kowalczyk"),
        ],
    },
    People {
        first: &[
            ("Nguyệt", "nguyet"),
            ("Đức", "duc"),
            ("Hương", "huong"),
            ("Khánh", "khanh"),
        ],
        last: &[
            ("Nguyễn", "nguyen"),
            ("Trần", "tran"),
            ("Phạm", "pham"),
            ("Đỗ", "do"),
        ],
    },
    People {
        first: &[
            ("Олена", "olena"),
            ("Дмитро", "dmytro"),
            ("Світлана", "svitlana"),
            ("Ілля", "illia"),
            ("Юлія", "yuliia"),
        ],
        last: &[
            ("Шевчук", "shevchuk"),
            ("Гончар", "honchar"),
            ("Ковальчук", "kovalchuk"),
            ("Їжакевич", "yizhakevych"),
        ],
    },
    People {
        first: &[
            ("Ελένη", "eleni"),
            ("Νίκος", "nikos"),
            ("Δέσποινα", "despina"),
            ("Γιώργος", "giorgos"),
        ],
        last: &[
            ("Παπαδάκη", "papadaki"),
            ("Αλεξίου", "alexiou"),
            ("Μαυρίδης", "mavridis"),
        ],
    },
    People {
        first: &[
            ("ليلى", "layla"),
            ("يوسف", "yusuf"),
            ("مريم", "maryam"),
            ("طارق", "tariq"),
            ("هدى", "huda"),
        ],
        last: &[
            ("الخباز", "alkhabbaz"),
            ("منصور", "mansour"),
            ("الحسن", "alhasan"),
            ("نصّار", "nassar"),
        ],
    },
    People {
        first: &[
            ("נועה", "noa"),
            ("איתן", "eitan"),
            ("שירה", "shira"),
            ("יונתן", "yonatan"),
        ],
        last: &[("אופה", "ofeh"), ("מזרחי", "mizrahi"), ("בר־לב", "barlev")],
    },
    People {
        first: &[
            ("अनन्या", "ananya"),
            ("रोहन", "rohan"),
            ("मीनाक्षी", "meenakshi"),
            ("देवेश", "devesh"),
        ],
        last: &[
            ("हलवाई", "halwai"),
            ("जोशी", "joshi"),
            ("चतुर्वेदी", "chaturvedi"),
        ],
    },
    People {
        first: &[
            ("秀英", "xiuying"),
            ("志强", "zhiqiang"),
            ("雨桐", "yutong"),
            ("子轩", "zixuan"),
        ],
        last: &[
            ("陈", "chen"),
            ("欧阳", "ouyang"),
            ("林", "lin"),
            ("黄", "huang"),
        ],
    },
    People {
        first: &[
            ("さくら", "sakura"),
            ("健太", "kenta"),
            ("美咲", "misaki"),
            ("ユウキ", "yuuki"),
        ],
        last: &[
            ("小麦", "komugi"),
            ("渡邉", "watanabe"),
            ("髙橋", "takahashi"),
            ("佐々木", "sasaki"),
        ],
    },
    People {
        first: &[
            ("서연", "seoyeon"),
            ("민준", "minjun"),
            ("하은", "haeun"),
            ("도윤", "doyun"),
        ],
        last: &[("김", "kim"), ("박", "bak"), ("남궁", "namgung")],
    },
    People {
        first: &[
            ("Adaeze", "adaeze"),
            ("Olúwaṣeun", "oluwaseun"),
            ("Kwabena", "kwabena"),
            ("ትዕግስት", "tigist"),
            ("Անահիտ", "anahit"),
            ("ნინო", "nino"),
            ("สมหญิง", "somying"),
        ],
        last: &[
            ("Adébáyọ̀", "adebayo"),
            ("Mensah", "mensah"),
            ("ታደሰ", "tadesse"),
            ("Հացթուխյան", "hatstukhyan"),
            ("მეპურიშვილი", "mepurishvili"),
            ("ใจดี", "jaidee"),
        ],
    },
];
