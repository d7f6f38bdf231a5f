/*---
id: custom-resource-definition-changed
title: A custom resource definition was written or deleted
techniques: [N41, N20]
status: stable
severity: low
confidence: medium
attack: [T1546, T1557]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Metadata, resources: [customresourcedefinitions]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  With its definition goes every object of a kind: deleting that of a policy engine deletes all its policies in one
  request. A conversion webhook sees, and may change, every object of the kind that is read or written.
blind_spots: >-
  What a new kind is for. Without bodies, conversion webhooks.
false_positives: >-
  Installing and upgrading operators.
triage:
  - Which software does the kind belong to?
  - If it was deleted, which objects are gone?
  - If it converts by webhook, where does that point to?
---*/
WITH changed AS (
    SELECT *, took_effect(verb, level, response_code, request_uri, request_object) AS applied,
           CASE WHEN contains(name, '.') THEN substr(name, strpos(name, '.') + 1) END AS kind_group,
           coalesce(json_extract_string(request_object, '$.spec.conversion.webhook.clientConfig.url'),
                    CASE WHEN json_type(request_object) = 'ARRAY' AND contains(request_object, '/spec/conversion') AND contains(request_object, 'https://') THEN 'a URL' END) AS url,
           json_extract_string(request_object, '$.spec.conversion.strategy') = 'Webhook'
               OR (json_type(request_object) = 'ARRAY' AND contains(request_object, '/spec/conversion') AND NOT contains(request_object, 'caBundle')) AS converts
    FROM requests
    WHERE resource = 'customresourcedefinitions' AND api_group = 'apiextensions.k8s.io' AND subresource IS NULL
      AND verb IN ('create', 'update', 'patch', 'delete', 'deletecollection')
      AND NOT (impersonated_user_name IS NULL AND is_control_plane(user_name, user_groups, source_ip))
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN starts_with(verb, 'delete') THEN CASE WHEN verb = 'deletecollection' OR coalesce(is_guard_group(kind_group), false) THEN 'high' ELSE 'medium' END
            WHEN url IS NOT NULL THEN 'high'
            WHEN coalesce(converts, false) AND verb = 'patch' AND response_code = 200 AND (service_account_name IS NULL OR impersonated_user_name IS NOT NULL) THEN 'medium'
            WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'informational' END AS severity,
       did(user_name, impersonated_user_name, applied, CASE WHEN starts_with(verb, 'delete') THEN 'deleted' ELSE 'wrote' END, CASE WHEN starts_with(verb, 'delete') THEN 'delete' ELSE 'write' END)
           || thing(resource, subresource, namespace, name)
           || CASE WHEN starts_with(verb, 'delete') THEN ', and every object of that kind'
                   WHEN url IS NOT NULL THEN ', converted by ' || url
                   WHEN coalesce(converts, false) THEN ', converted by a webhook' ELSE '' END
           || outcome(applied, response_code, decision, response_message) AS detail
FROM changed
WHERE starts_with(verb, 'delete') OR verb = 'create' OR response_code = 201 OR NOT applied OR url IS NOT NULL OR coalesce(converts, false)
