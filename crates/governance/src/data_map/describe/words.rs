//! Takes the names of tables and columns apart into words: `CustAddr1`, `cust_addr_1` and `custaddr` all mean customer address.

/// Abbreviations that databases are full of.
const ABBREVIATIONS: &[(&str, &[&str])] = &[
    ("acct", &["account"]),
    ("acc", &["account"]),
    ("addr", &["address"]),
    ("adr", &["address"]),
    ("amt", &["amount"]),
    ("bday", &["birth", "date"]),
    ("birthdate", &["birth", "date"]),
    ("birthday", &["birth", "date"]),
    ("cc", &["card"]),
    ("ccn", &["card", "number"]),
    ("cell", &["mobile"]),
    ("cellphone", &["mobile", "phone"]),
    ("cust", &["customer"]),
    ("ctry", &["country"]),
    ("cntry", &["country"]),
    ("desc", &["description"]),
    ("descr", &["description"]),
    ("dob", &["birth", "date"]),
    ("dt", &["date"]),
    ("emp", &["employee"]),
    ("exp", &["expiry"]),
    ("fk", &[]),
    ("fname", &["first", "name"]),
    ("firstname", &["first", "name"]),
    ("forename", &["first", "name"]),
    ("givenname", &["first", "name"]),
    ("fullname", &["full", "name"]),
    ("guid", &["uuid"]),
    ("rowguid", &["row", "uuid"]),
    ("inv", &["invoice"]),
    ("lang", &["language"]),
    ("lat", &["latitude"]),
    ("lname", &["last", "name"]),
    ("lastname", &["last", "name"]),
    ("surname", &["last", "name"]),
    ("familyname", &["last", "name"]),
    ("lng", &["longitude"]),
    ("lon", &["longitude"]),
    ("long", &["longitude"]),
    ("login", &["login"]),
    ("mail", &["email"]),
    ("mob", &["mobile"]),
    ("mname", &["middle", "name"]),
    ("nbr", &["number"]),
    ("no", &["number"]),
    ("num", &["number"]),
    ("org", &["organization"]),
    ("organisation", &["organization"]),
    ("ord", &["order"]),
    ("passwd", &["password"]),
    ("ph", &["phone"]),
    ("pk", &[]),
    ("postcode", &["postal", "code"]),
    ("pwd", &["password"]),
    ("qty", &["quantity"]),
    ("tel", &["phone"]),
    ("telephone", &["phone"]),
    ("telno", &["phone", "number"]),
    ("tin", &["tax", "id"]),
    ("ts", &["timestamp"]),
    ("ua", &["user", "agent"]),
    ("useragent", &["user", "agent"]),
    ("username", &["username"]),
    ("usr", &["user"]),
    ("uid", &["user", "id"]),
    ("vat", &["tax"]),
    ("zip", &["postal", "code"]),
    ("zipcode", &["postal", "code"]),
];

/// Words that are found inside words that run together, such as `customeremailaddress`.
const WORDS: &[&str] = &[
    "account",
    "address",
    "agent",
    "amount",
    "balance",
    "bank",
    "billing",
    "birth",
    "card",
    "city",
    "code",
    "comment",
    "company",
    "consent",
    "contact",
    "cookie",
    "country",
    "county",
    "created",
    "credit",
    "customer",
    "date",
    "delivery",
    "device",
    "driver",
    "email",
    "employee",
    "expiry",
    "fax",
    "first",
    "gender",
    "hash",
    "home",
    "iban",
    "id",
    "invoice",
    "item",
    "language",
    "last",
    "latitude",
    "license",
    "line",
    "location",
    "login",
    "longitude",
    "marital",
    "member",
    "method",
    "middle",
    "mobile",
    "name",
    "national",
    "number",
    "order",
    "owner",
    "passport",
    "password",
    "patient",
    "payment",
    "person",
    "phone",
    "postal",
    "price",
    "product",
    "profile",
    "purchase",
    "race",
    "region",
    "religion",
    "salary",
    "salt",
    "security",
    "session",
    "shipping",
    "social",
    "state",
    "status",
    "street",
    "subscriber",
    "tax",
    "title",
    "token",
    "total",
    "type",
    "updated",
    "url",
    "user",
    "visit",
    "visitor",
    "work",
    "zip",
];

/// The words of a name, in lower case, abbreviations written out, in the singular.
pub(in super::super) fn tokens(name: &str) -> Vec<String> {
    split(name).iter().flat_map(|word| expand(word)).collect()
}

/// Cuts at everything that isn't a letter, between lower and upper case, and around digits, which are dropped.
fn split(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| letters.get(before));
        let after = letters.get(at + 1);
        let starts_hump = letter.is_uppercase()
            && (before.is_some_and(|before| before.is_lowercase())
                || (before.is_some_and(|before| before.is_uppercase())
                    && after.is_some_and(|after| after.is_lowercase())));
        if starts_hump || !letter.is_alphabetic() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphabetic()) {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn expand(word: &str) -> Vec<String> {
    if let Some((_, meant)) = ABBREVIATIONS.iter().find(|(short, _)| *short == word) {
        return meant.iter().map(|word| (*word).to_owned()).collect();
    }
    let single = singular(word);
    if WORDS.contains(&single.as_str()) {
        return vec![single];
    }
    run_together(word).unwrap_or_else(|| vec![single])
}

fn singular(word: &str) -> String {
    let keeps = ["ss", "us", "is", "as", "os"]
        .iter()
        .any(|end| word.ends_with(end))
        || word.len() < 4;
    if keeps {
        return word.to_owned();
    }
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}y");
    }
    for (end, kept) in [
        ("sses", "ss"),
        ("xes", "x"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("statuses", "status"),
    ] {
        if let Some(stem) = word.strip_suffix(end) {
            return format!("{stem}{kept}");
        }
    }
    word.strip_suffix('s').unwrap_or(word).to_owned()
}

/// The known words that a word is made of, longest first, if nothing is left over.
fn run_together(word: &str) -> Option<Vec<String>> {
    let mut starts: Vec<&str> = WORDS
        .iter()
        .copied()
        .filter(|known| word.starts_with(known))
        .collect();
    starts.sort_by_key(|known| std::cmp::Reverse(known.len()));
    for start in starts {
        let rest = word.get(start.len()..).unwrap_or_default();
        if rest.is_empty() {
            return Some(vec![start.to_owned()]);
        }
        if let Some(more) = run_together(rest) {
            return Some(std::iter::once(start.to_owned()).chain(more).collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_every_style_come_apart_into_the_same_words() {
        for name in [
            "customer_address",
            "CustomerAddress",
            "CUSTOMER_ADDRESS",
            "custAddr1",
            "cust-addr-2",
            "customeraddress",
            "customers addresses",
        ] {
            assert_eq!(tokens(name), ["customer", "address"], "{name}");
        }
        assert_eq!(tokens("DOB"), ["birth", "date"]);
        assert_eq!(tokens("InvoiceLineId"), ["invoice", "line", "id"]);
        assert_eq!(tokens("HTTPStatus"), ["http", "status"]);
        assert_eq!(tokens("emailaddress"), ["email", "address"]);
        assert_eq!(tokens("companies"), ["company"]);
        assert_eq!(tokens("address"), ["address"]);
    }
}
