-- What was written, one row per document: the object of a create or update, the patch of a merge, strategic
-- merge or server-side apply, and for a JSON patch one small document per operation, built from its path, so
-- that {op: add, path: /subjects/-, value: S} reads as {"subjects": [S]}. Rules never care how it was written.
--
-- document: JSON; form: object, merge or json-patch; merged: the object as stored, where the level shows it;
-- object_name: also where generateName leaves name empty; applied: it took effect (2xx and no dry run).
CREATE VIEW written_documents AS
WITH writes AS NOT MATERIALIZED (
    SELECT *,
           -- By its first character: parsing whole bodies for this is what would take the time.
           CASE WHEN starts_with(ltrim(request_object, E' \t\r\n'), '[') THEN 'json-patch' WHEN verb = 'patch' THEN 'merge' ELSE 'object' END AS form,
           CASE WHEN succeeded(response_code) AND starts_with(ltrim(response_object, E' \t\r\n'), '{')
                     AND coalesce(json_extract_string(response_object, '$.kind'), '') <> 'Status' THEN response_object END AS merged,
           coalesce(name, json_extract_string(response_object, '$.metadata.name'), json_extract_string(request_object, '$.metadata.name'),
                    json_extract_string(request_object, '$.metadata.generateName') || '*') AS object_name,
           succeeded(response_code) AND NOT is_dry_run(request_uri) AS applied
    FROM requests
    WHERE verb IN ('create', 'update', 'patch') AND request_object IS NOT NULL
),
unnested AS (
    -- In the SELECT list, because a lateral unnest becomes a join on the whole body.
    SELECT *, unnest(json_extract(request_object, '$[*]')) AS operation FROM writes WHERE form = 'json-patch'
),
operations AS (
    SELECT *, json_extract_string(operation, '$.path') AS path,
           list_reverse(string_split(json_extract_string(operation, '$.path'), '/')[2:]) AS steps
    FROM unnested
    WHERE json_extract_string(operation, '$.op') IN ('add', 'replace')
)
SELECT * EXCLUDE (form), form, request_object AS document FROM writes WHERE form <> 'json-patch'
UNION ALL
SELECT * EXCLUDE (form, operation, path, steps), form,
       CASE WHEN path = '' THEN CAST(json_extract(operation, '$.value') AS VARCHAR)
            ELSE list_reduce(
                list_prepend(CAST(json_extract(operation, '$.value') AS VARCHAR), steps),
                lambda inner_text, step: CASE WHEN step = '-' OR regexp_full_match(step, '[0-9]+') THEN '[' || inner_text || ']'
                    ELSE '{' || CAST(to_json(replace(replace(step, '~1', '/'), '~0', '~')) AS VARCHAR) || ':' || inner_text || '}' END
            ) END AS document
FROM operations
WHERE path = '' OR starts_with(path, '/');
