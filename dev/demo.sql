-- A believable company, the same one each time: 50 people, 5 years up to %(today)s, about %(entries)s time entries.
-- It expects a database that was just migrated, with its defaults and nothing else.
SELECT setseed(0.2026);
SET LOCAL timezone = 'Europe/Rome';
SET LOCAL synchronous_commit = off;

UPDATE settings
SET company_name = 'Studio Lago', company_address = E'Via Manzoni 12\n22100 Como', company_email = 'ciao@studiolago.example',
    company_website = 'studiolago.example', company_phone = '+39 031 555 0123', single_active_timer = true, rounding_minutes = 5;

INSERT INTO users (username, role, created_at, last_login)
SELECT
    lower(name),
    CASE WHEN number = 1 THEN 'admin' ELSE 'user' END,
    %(today)s::date - interval '5 years',
    %(today)s::date - random() * interval '20 days'
FROM unnest(ARRAY[
    'Giulia', 'Marco', 'Chiara', 'Luca', 'Sofia', 'Matteo', 'Elena', 'Davide', 'Martina', 'Andrea',
    'Sara', 'Paolo', 'Anna', 'Simone', 'Laura', 'Stefano', 'Irene', 'Giorgio', 'Marta', 'Nicola',
    'Lena', 'Jonas', 'Emma', 'Felix', 'Mia', 'Paul', 'Clara', 'Leon', 'Nora', 'Max',
    'Camille', 'Hugo', 'Zoe', 'Louis', 'Ines', 'Jules', 'Alice', 'Theo', 'Manon', 'Nina',
    'Maya', 'Omar', 'Leila', 'Tariq', 'Yuki', 'Kenji', 'Aiko', 'Ravi', 'Priya', 'Arjun'
]) WITH ORDINALITY AS person (name, number);

INSERT INTO projects (name, client, billable, hourly_rate, billing_ref, status, description, created_at)
SELECT
    kind || CASE WHEN year = 1 THEN '' ELSE ' ' || year END,
    client,
    kind <> 'Offers and meetings',
    CASE WHEN kind <> 'Offers and meetings' THEN (ARRAY[72, 80, 85, 95, 110])[1 + (client_number + year) %% 5] END,
    pg_catalog.format('PO-%%s-%%s', 4100 + client_number, year),
    CASE WHEN year <= 3 AND kind <> 'Maintenance' AND kind <> 'Offers and meetings' THEN 'archived' ELSE 'active' END,
    pg_catalog.format('%%s for %%s', kind, client),
    %(today)s::date - interval '5 years' + (year - 1) * interval '1 year'
FROM unnest(ARRAY[
    'Alpina Outdoor', 'Banca del Lario', 'Cantiere Navale Rossi', 'Domus Arredi', 'Edizioni Quarta', 'Fondazione Brera',
    'Gelateria Nobile', 'Hotel Belvedere', 'Istituto Volta', 'Lario Ferries', 'Museo della Seta', 'Studio Lago'
]) WITH ORDINALITY AS client (client, client_number)
CROSS JOIN LATERAL (
    VALUES ('Website', 1 + (client_number %% 5)::integer), ('Online shop', 1 + (client_number * 2 %% 5)::integer),
        ('Brand', 1 + (client_number * 3 %% 5)::integer), ('Maintenance', 1), ('Offers and meetings', 1)
) AS work (kind, year)
ORDER BY year, client_number, kind;

INSERT INTO tasks (project_id, name, status, priority, assigned_to, created_by, due_date, estimated_hours, started_at, completed_at)
SELECT
    projects.id,
    step,
    state,
    (ARRAY['low', 'medium', 'medium', 'high', 'urgent'])[1 + (projects.id + number) %% 5],
    (SELECT id FROM users WHERE username <> 'admin' ORDER BY id OFFSET (projects.id * 7 + number) %% 50 LIMIT 1),
    (SELECT id FROM users WHERE username = 'giulia'),
    CASE WHEN state <> 'done' THEN %(today)s::date + (projects.id * 5 + number * 3)::integer %% 40 - 8 END,
    4 + (projects.id * 3 + number * 7) %% 60,
    CASE WHEN state <> 'pending' THEN projects.created_at + interval '9 days' END,
    CASE WHEN state = 'done' THEN projects.created_at + interval '40 days' END
FROM projects
CROSS JOIN unnest(ARRAY['Concept', 'Design', 'Front end', 'Back end', 'Content', 'Tests', 'Launch']) WITH ORDINALITY AS steps (step, number)
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN status = 'archived' OR (projects.id + number) %% 9 < 4 THEN 'done'
        WHEN (projects.id + number) %% 9 < 6 THEN 'in_progress'
        ELSE 'pending'
    END AS state
) AS progress
WHERE name NOT LIKE 'Offers%%' AND client <> 'Default Client';

-- Five days a week from nine to half past five with a lunch break, split into as many pieces as are asked for.
WITH people AS (
    SELECT id, row_number() OVER (ORDER BY id) AS number FROM users WHERE username <> 'admin'
),
workdays AS (
    SELECT day::date AS day, people.id AS user_id, people.number
    FROM generate_series(%(today)s::date - interval '5 years', %(today)s::date - 1, '1 day') AS day
    CROSS JOIN people
    WHERE extract(isodow FROM day) < 6
        AND random() > 0.09                                                        -- holidays and sick days
        AND day > %(today)s::date - interval '5 years' + people.number %% 10 * interval '5 months' -- hired one after the other
),
pieces AS (
    SELECT workdays.*, least(greatest(2, round(%(entries)s / count(*) OVER () * (0.7 + 0.6 * random())))::integer, 60) AS count
    FROM workdays
),
entries AS (
    SELECT
        user_id,
        number,
        day,
        count,
        piece,
        date_trunc('second', (day + time '09:00' + (random() * 12 - 6) * interval '1 minute'
            + piece * (interval '8 hours' / count) + CASE WHEN piece * 2 >= count THEN interval '45 minutes' ELSE '0' END
        ) AT TIME ZONE 'Europe/Rome' AT TIME ZONE 'UTC') AS start_time,
        round(extract(epoch FROM interval '8 hours' / count) * (0.72 + 0.24 * random()))::integer AS seconds,
        random() AS chance,
        random() AS phrase
    FROM pieces
    CROSS JOIN LATERAL generate_series(0, count - 1) AS piece
),
-- What there was to work on, from season to season of 45 days: an archived project had its year.
seasons AS (
    SELECT season, array_agg(projects.id ORDER BY projects.id) AS project_ids
    FROM (SELECT DISTINCT (day - date '2000-01-01') / 45 AS season FROM workdays) AS passed
    JOIN projects ON client <> 'Default Client'
        AND created_at < date '2000-01-01' + (season + 1) * 45
        AND (status = 'active' OR created_at > date '2000-01-01' + season * 45 - interval '14 months')
    GROUP BY season
),
chosen AS (
    -- Everybody has four projects at a time.
    SELECT entries.*, project_ids[1 + ((number * 13 + season * 7 + floor(chance * 4)::bigint) %% cardinality(project_ids))] AS project_id
    FROM entries
    JOIN seasons ON season = (day - date '2000-01-01') / 45
),
tasks_of AS (
    SELECT project_id, array_agg(id ORDER BY id) AS task_ids FROM tasks GROUP BY project_id
)
INSERT INTO time_entries (user_id, project_id, task_id, start_time, end_time, duration_seconds, notes, tags, source, billable, created_at, updated_at)
SELECT
    user_id,
    chosen.project_id,
    task_ids[1 + floor(phrase * 10)::integer],
    start_time,
    start_time + seconds * interval '1 second',
    (seconds + 150) / 300 * 300,
    (ARRAY[
        'Call with the client', 'Header and navigation', 'Review', 'Wireframes of the home page', 'Fixed the checkout', 'Planning',
        'Photo selection', 'Texts in German', 'Server update', 'Accessibility of the forms', 'Workshop', 'Offer', 'Newsletter',
        'Search', 'Performance of the list', 'Icons', 'Bug in the calendar', 'Price list', 'Training', 'Invoice texts'
    ])[1 + floor(phrase * 20)::integer],
    CASE WHEN chance < 0.15 THEN 'meeting' WHEN chance < 0.3 THEN 'design' WHEN chance < 0.36 THEN 'bug,urgent' WHEN chance > 0.9 THEN 'remote' END,
    CASE WHEN chance < 0.3 THEN 'manual' ELSE 'timer' END,
    projects.billable AND phrase < 0.93,
    start_time + seconds * interval '1 second',
    start_time + seconds * interval '1 second'
FROM chosen
JOIN projects ON projects.id = chosen.project_id
LEFT JOIN tasks_of ON tasks_of.project_id = projects.id;

-- What was estimated is near what it took, on either side.
UPDATE tasks
SET estimated_hours = least(999, greatest(2, round(worked.hours * (0.7 + 0.1 * (tasks.id %% 7)))))
FROM (SELECT task_id, sum(duration_seconds) / 3600 AS hours FROM time_entries GROUP BY task_id) AS worked
WHERE worked.task_id = tasks.id;
