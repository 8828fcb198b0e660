-- One subject with a million rows: 100,000 orders of four items each, and 500,000 logins. Her number is one above everybody's.
INSERT INTO address VALUES ($number + 100, 1, 'Rye Lane 1', 'Oakland', 'CA', '94601');
INSERT INTO customer VALUES ($number, 'Customer.$number@Example.org', 'Customer Number $number', now(), $number + 100);
INSERT INTO orders SELECT $first + n, $number, $number + 100, NULL, NULL FROM generate_series(1, $scale) AS n;
INSERT INTO order_item SELECT $first + n, i, 'product ' || n % 700, i FROM generate_series(1, $scale) AS n, generate_series(1, 4) AS i;
INSERT INTO login SELECT $first + n, $number, timestamptz '2026-01-01' + n % 300 * interval '1 day', 'browser ' || n % 50
    FROM generate_series(1, $scale * 5) AS n;
