-- One row per document written to a service: what it sets, and what the log last showed of the same field before.
-- A field that the document does not touch is null (external_ips: empty). created: by create or server-side apply.
CREATE VIEW service_writes AS
WITH documents AS (
    SELECT *, verb = 'create' OR response_code = 201 AS created,
           json_extract_string(document, '$.spec.type') AS service_type,
           coalesce(json_extract_string(document, '$.spec.externalIPs[*]'), []) AS external_ips,
           json_extract_string(document, '$.spec.externalName') AS external_name,
           CAST(json_extract(document, '$.spec.selector') AS VARCHAR) AS selector,
           coalesce(merged, document) AS known
    FROM written_documents
    WHERE resource = 'services' AND api_group IS NULL AND (subresource IS NULL OR subresource = 'status')
)
SELECT * EXCLUDE (known),
       json_extract_string(known, '$.metadata.annotations') AS service_annotations,
       coalesce(json_extract_string(known, '$.spec.loadBalancerSourceRanges[*]'), []) AS source_ranges,
       coalesce(json_extract_string(known, '$.spec.ports[*].port'), []) AS ports,
       last_value(CASE WHEN applied THEN json_extract_string(known, '$.spec.type') END IGNORE NULLS) OVER earlier AS old_type,
       last_value(CASE WHEN applied THEN json_extract_string(known, '$.spec.externalName') END IGNORE NULLS) OVER earlier AS old_external_name,
       last_value(CASE WHEN applied THEN json_extract_string(known, '$.spec.externalIPs[*]') END IGNORE NULLS) OVER earlier AS old_external_ips,
       last_value(CASE WHEN applied THEN CAST(json_extract(known, '$.spec.selector') AS VARCHAR) END IGNORE NULLS) OVER earlier AS old_selector
FROM documents
WINDOW earlier AS (PARTITION BY cluster, namespace, object_name ORDER BY request_received_at
                   RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING);
