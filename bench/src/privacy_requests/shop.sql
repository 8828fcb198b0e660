-- The shop's tables, in the shape that docs/guides/benchmarks.md describes; `$customers` is replaced by a number.
SET synchronous_commit = off;
SET maintenance_work_mem = '256MB';

CREATE TABLE address (id bigint PRIMARY KEY, house integer, street text, city text, state text, zip text);
CREATE TABLE customer (id bigint PRIMARY KEY, email text NOT NULL, name text NOT NULL, created timestamptz NOT NULL, address_id bigint);
CREATE TABLE payment_card (id text PRIMARY KEY, name text, ccn text NOT NULL, code integer, preferred boolean, customer_id bigint NOT NULL, billing_address_id bigint);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL, shipping_address_id bigint, payment_card_id text, note text);
CREATE TABLE order_item (order_id bigint, item_no integer, product text, quantity integer, PRIMARY KEY (order_id, item_no));
CREATE TABLE visit (id bigint PRIMARY KEY, email text NOT NULL, last_visit timestamptz NOT NULL, page text);
CREATE TABLE login (id bigint PRIMARY KEY, customer_id bigint NOT NULL, "time" timestamptz NOT NULL, agent text);
CREATE TABLE employee (id bigint PRIMARY KEY, email text NOT NULL, name text NOT NULL, address_id bigint);
CREATE TABLE service_request (id bigint PRIMARY KEY, email text NOT NULL, alt_email text, opened date NOT NULL, closed date, employee_id bigint, text text);
CREATE TABLE report (id bigint PRIMARY KEY, email text NOT NULL, name text, year integer, month integer, total_visits integer);

-- Employees live at addresses of their own, behind those of the customers.
INSERT INTO address SELECT n, n % 900 + 1, 'Rye Lane ' || n % 977, 'City ' || n % 331, 'CA', lpad((n % 90000)::text, 5, '0')
    FROM generate_series(1, $customers + 100) AS n;
INSERT INTO customer SELECT n, 'Customer.' || n || '@Example.org', 'Customer Number ' || n, timestamptz '2024-01-01' + n % 900 * interval '1 day', n
    FROM generate_series(1, $customers) AS n;
INSERT INTO payment_card SELECT 'card_' || n, 'Customer Number ' || n, lpad((4000000000000000 + n)::text, 16, '0'), n % 1000, true, n, n
    FROM generate_series(1, $customers) AS n;
INSERT INTO orders SELECT n * 2 + k, n, n, 'card_' || n, CASE WHEN n % 3 = 0 THEN 'ring twice' END
    FROM generate_series(1, $customers) AS n, generate_series(0, 1) AS k;
INSERT INTO order_item SELECT n * 2 + k, i, 'product ' || (n + i) % 700, i
    FROM generate_series(1, $customers) AS n, generate_series(0, 1) AS k, generate_series(1, 2) AS i;
INSERT INTO visit SELECT n * 2 + k, 'customer.' || n || '@example.org', timestamptz '2026-01-01' + n % 300 * interval '1 day', '/flour'
    FROM generate_series(1, $customers) AS n, generate_series(0, 1) AS k;
INSERT INTO login SELECT n * 3 + k, n, timestamptz '2026-01-01' + n % 300 * interval '1 day', 'browser ' || n % 50
    FROM generate_series(1, $customers) AS n, generate_series(0, 2) AS k;
INSERT INTO employee SELECT n, 'employee.' || n || '@shop.example', 'Employee Number ' || n, $customers + n
    FROM generate_series(1, 100) AS n;
INSERT INTO service_request SELECT n, 'customer.' || n || '@example.org', NULL, date '2026-01-01' + n % 300, NULL, n % 100 + 1, 'where is my flour'
    FROM generate_series(1, $customers) AS n;
INSERT INTO report SELECT n, 'customer.' || n || '@example.org', 'Customer Number ' || n, 2026, n % 12 + 1, n % 40
    FROM generate_series(1, $customers) AS n;

CREATE INDEX ON customer (lower(email));
CREATE INDEX ON customer (address_id);
CREATE INDEX ON payment_card (customer_id);
CREATE INDEX ON payment_card (billing_address_id);
CREATE INDEX ON orders (customer_id);
CREATE INDEX ON orders (shipping_address_id);
CREATE INDEX ON orders (payment_card_id);
CREATE INDEX ON visit (lower(email));
CREATE INDEX ON login (customer_id);
CREATE INDEX ON employee (lower(email));
CREATE INDEX ON employee (address_id);
CREATE INDEX ON service_request (lower(email));
CREATE INDEX ON service_request (employee_id);
CREATE INDEX ON report (lower(email));

ALTER TABLE customer ADD FOREIGN KEY (address_id) REFERENCES address;
ALTER TABLE payment_card ADD FOREIGN KEY (customer_id) REFERENCES customer, ADD FOREIGN KEY (billing_address_id) REFERENCES address;
ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customer, ADD FOREIGN KEY (shipping_address_id) REFERENCES address,
    ADD FOREIGN KEY (payment_card_id) REFERENCES payment_card;
ALTER TABLE order_item ADD FOREIGN KEY (order_id) REFERENCES orders;
ALTER TABLE login ADD FOREIGN KEY (customer_id) REFERENCES customer;
ALTER TABLE employee ADD FOREIGN KEY (address_id) REFERENCES address;
ALTER TABLE service_request ADD FOREIGN KEY (employee_id) REFERENCES employee;
