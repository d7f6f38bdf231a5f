/*---
id: api-service-changed
title: A part of the API was handed to another server
techniques: [N41]
status: stable
severity: medium
confidence: medium
attack: [T1557, T1546]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Metadata, resources: [apiservices]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  The kube-apiserver passes requests for a registered group on to a service, with the name and groups of whoever asks
  in headers, and believes what comes back. Taking over a group that exists puts somebody in the middle of it.
blind_spots: >-
  The server behind a registration that is there already. Without bodies, where it points to.
false_positives: >-
  Metrics servers, service catalogues and other extensions when they are installed.
triage:
  - Which software is it, and does the service behind it run what it should?
  - Does the group belong to Kubernetes itself? Then it is an attack until somebody explains it.
  - Delete it; the kube-apiserver restores its own.
---*/
WITH changed AS (
    SELECT *, took_effect(verb, level, response_code, request_uri, request_object) AS applied,
           CASE WHEN contains(name, '.') THEN substr(name, strpos(name, '.') + 1) END AS served_group,
           CASE WHEN json_type(request_object) = 'ARRAY' THEN CAST(request_object AS VARCHAR) END AS operations,
           json_extract_string(request_object, '$.spec.insecureSkipTLSVerify') = 'true'
               OR (json_type(request_object) = 'ARRAY' AND contains(request_object, 'insecureSkipTLSVerify')) AS unverified,
           json_extract(request_object, '$.spec.service') IS NOT NULL OR (json_type(request_object) = 'ARRAY' AND contains(request_object, '/spec/service')) AS redirects
    FROM requests
    WHERE resource = 'apiservices' AND api_group = 'apiregistration.k8s.io' AND subresource IS NULL
      AND verb IN ('create', 'update', 'patch', 'delete', 'deletecollection')
      AND NOT (impersonated_user_name IS NULL AND is_control_plane(user_name, user_groups, source_ip))
),
judged AS (
    SELECT *, name = 'v1.' OR coalesce(served_group, '') IN ('', 'apps', 'batch', 'autoscaling', 'policy', 'authentication.k8s.io', 'authorization.k8s.io',
                  'rbac.authorization.k8s.io', 'admissionregistration.k8s.io', 'apiextensions.k8s.io', 'certificates.k8s.io', 'networking.k8s.io',
                  'storage.k8s.io', 'coordination.k8s.io', 'discovery.k8s.io', 'events.k8s.io', 'node.k8s.io', 'scheduling.k8s.io') AS is_built_in
    FROM changed
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN is_built_in AND redirects AND name IS NOT NULL THEN 'critical'
            WHEN verb IN ('create', 'update', 'patch') AND coalesce(unverified, false) THEN 'high'
            WHEN verb = 'patch' AND response_code = 200 AND coalesce(redirects, false) THEN 'high'
            WHEN starts_with(verb, 'delete') OR verb = 'update' OR (impersonated_user_name IS NULL AND service_account_name IS NOT NULL) THEN 'low' END AS severity,
       CASE WHEN request_object IS NULL AND NOT starts_with(verb, 'delete') THEN 'low' END AS confidence,
       did(user_name, impersonated_user_name, applied, CASE WHEN starts_with(verb, 'delete') THEN 'deleted' ELSE 'wrote' END, CASE WHEN starts_with(verb, 'delete') THEN 'delete' ELSE 'write' END)
           || thing(resource, subresource, namespace, name)
           || coalesce(', served by ' || json_extract_string(request_object, '$.spec.service.namespace') || '/' || json_extract_string(request_object, '$.spec.service.name'), '')
           || CASE WHEN coalesce(unverified, false) THEN ' without a check of its certificate' ELSE '' END
           || outcome(applied, response_code, decision, response_message) AS detail
FROM judged
-- Renewed certificates.
WHERE NOT (verb = 'patch' AND response_code = 200 AND request_object IS NOT NULL AND NOT coalesce(redirects, false) AND NOT coalesce(unverified, false)
           AND contains(request_object, 'caBundle'))
