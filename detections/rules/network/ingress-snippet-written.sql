/*---
id: ingress-snippet-written
title: An ingress brings configuration of its own
techniques: [N46]
status: stable
severity: medium
confidence: medium
attack: [T1190, T1552.007]
layer: cluster
control: detection
practice: network
needs: {level: Request, resources: [ingresses]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Snippet annotations go into the configuration of the ingress controller as they are, and other annotations did when
  nobody checked them for line breaks. The controller may read every Secret of the cluster, and its own token lies
  beside it (CVE-2021-25742, CVE-2025-1097, CVE-2025-1098, CVE-2025-24514).
blind_spots: >-
  Controllers whose annotations have other names; the ConfigMap of the controller.
false_positives: >-
  Snippets that set a header, where the controller allows them. Only the first write of each text is reported.
triage:
  - What does the text do? Lua, files, proxy_pass to strangers and line breaks are no header.
  - Does the controller still need to allow snippets?
  - Which Secrets can its service account read? Rotate those if the text read them.
references: [https://github.com/kubernetes/kubernetes/issues/126811]
---*/
WITH keys AS (
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, service_account_name, resource, subresource, namespace, object_name,
           response_code, decision, response_message, applied, document, unnest(json_keys(document, '$.metadata.annotations')) AS annotation
    FROM written_documents
    WHERE resource = 'ingresses' AND subresource IS NULL
),
annotated AS (
    SELECT *, CASE WHEN NOT contains(annotation, '"') THEN json_extract_string(document, '$.metadata.annotations."' || annotation || '"') END AS text
    FROM keys
),
judged AS (
    SELECT *,
           regexp_full_match(annotation, '.*/(configuration|server|stream|auth|location|http|backend-config|modsecurity)-snippets?') AS is_snippet,
           -- Values that belong into one line of a configuration, and end it early.
           regexp_full_match(annotation, '.*/(auth-url|auth-signin|auth-tls-match-cn|mirror-target|mirror-host|rewrite-target|permanent-redirect|upstream-vhost|x-forwarded-prefix|canary-by-.*)')
               AND regexp_matches(text, '[\n\r;{}]|#') AS injects,
           regexp_matches(text, '(?i)lua|/var/run/secrets|/etc/(passwd|shadow|nginx)|ssl_engine|load_module|alias\s|root\s+/|proxy_pass|access_log|error_log|client_body') AS reaches_out
    FROM annotated
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' WHEN injects OR reaches_out THEN 'high'
            WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, 'wrote', 'write') || thing(resource, subresource, namespace, object_name) || ' with ' || annotation || ': '
           || left(text, 200) || outcome(applied, response_code, decision, response_message) AS detail
FROM judged
WHERE text IS NOT NULL AND (is_snippet OR injects)
QUALIFY row_number() OVER (PARTITION BY cluster, namespace, object_name, annotation, text, applied ORDER BY request_received_at, event_id) = 1
