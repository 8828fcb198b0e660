//! Routes are proposed, from a description and from what passes by.

use crate::house::{CUSTOMER, House, SIGN};

const OPENAPI: &str = r##"
openapi: 3.0.3
servers: [{ url: "http://127.0.0.1:9/api" }]
paths:
  /customers/{customerNumber}:
    get:
      operationId: getCustomer
      parameters: [{ name: verbose, in: query }, { name: email, in: query }]
      responses:
        "200":
          content:
            application/json:
              schema: { $ref: "#/components/schemas/Customer" }
components:
  schemas:
    Customer:
      type: object
      properties:
        emailAddress: { type: string, format: email }
        name: { type: object, properties: { first: { type: string }, last: { type: string } } }
        dateOfBirth: { type: string, format: date }
        shoeSize: { type: integer }
        orders: { type: array, items: { type: object, properties: { id: { type: integer }, again: { $ref: "#/components/schemas/Customer" } } } }
"##;

#[tokio::test]
async fn a_proposal_from_openapi_is_a_file_that_loads() {
    let house = House::new(CUSTOMER, &[]).await;
    let schema = house.p.schema().unwrap();
    let text = gateway::learn::from_openapi(OPENAPI, schema, None).unwrap();
    for line in [
        "  getcustomer:",
        "subject: { parameter: customerNumber, identifier: customer_number }",
        "\"$.emailAddress\": email",
        "\"$.name.first\": first_name",
        "\"$.dateOfBirth\": birth_date",
        "#   $.shoeSize (integer)",
        "filter: { \"email\": email }",
        "# passed: [\"verbose\"]",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("learnt.yaml"), &text).unwrap();
    let checked = gateway::check_folder(&house.p, folder.path()).unwrap();
    assert_eq!(
        checked.unwrap_or_else(|findings| panic!("{findings}\n{text}")),
        1
    );
}

#[tokio::test]
async fn what_is_no_description_is_told() {
    let house = House::new(CUSTOMER, &[]).await;
    let schema = house.p.schema().unwrap();
    for text in ["openapi: 3.0.0", "[", "", "a: [b"] {
        assert!(
            gateway::learn::from_openapi(text, schema, None).is_err(),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_route_that_learns_proposes_what_passed_by_without_values() {
    let routes = CUSTOMER.replace("    query:\n", "    learn: true\n    query:\n");
    let house = House::new(&routes, &[("1", &["email"])]).await;
    house.upstream.says(
        r#"{"email":"a@zqplanted","mobile":"zqplanted","shoe_size":7,"by":{"a@zqplanted":1}}"#,
    );
    for _ in 0..3 {
        assert_eq!(house.get("/customers/1").await.status, 200);
    }
    let learnt = house.gateway.learnt();
    let (route, text) = &learnt[0];
    assert_eq!(route, "customer");
    assert!(
        text.contains("$.mobile: phone") && text.contains("$.shoe_size"),
        "{text}"
    );
    assert!(!text.contains("$.email:") && !text.contains(SIGN), "{text}");
}
