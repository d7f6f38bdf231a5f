/*---
id: service-account-tampered
title: A service account was given more than it had
techniques: [N45]
status: stable
severity: medium
confidence: high
attack: [T1098, T1078.004]
threat_matrix: [MS-TA9020]
layer: cluster
control: detection
practice: rbac
needs: {level: Request, verbs: [create, update, patch], resources: [serviceaccounts]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  An annotation makes a service account a role in the cloud; a secret or a pull secret gives it more. Every pod
  that runs as it has that at once.
blind_spots: >-
  Trust set up in the cloud alone.
false_positives: >-
  Helm and GitOps when an application is set up.
triage:
  - Which cloud role is it, and what may it do?
  - Which pods run as this account?
---*/
WITH changed AS (
    SELECT *, coalesce(json_extract_string(document, ['$.metadata.annotations."eks.amazonaws.com/role-arn"', '$.metadata.annotations."iam.gke.io/gcp-service-account"', '$.metadata.annotations."azure.workload.identity/client-id"']), []) AS roles,
           json_extract_string(document, '$.secrets[0].name') AS secret, json_extract_string(document, '$.automountServiceAccountToken') AS automount
    FROM written_documents
    WHERE resource = 'serviceaccounts' AND subresource IS NULL AND NOT (impersonated_user_name IS NULL AND (is_control_plane(user_name, user_groups, source_ip) OR is_built_in_controller(service_account_namespace, service_account_name)))
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' WHEN coalesce(roles[1], roles[2], roles[3]) IS NULL OR verb = 'create' THEN 'low' END AS severity,
       actor(user_name, impersonated_user_name) || ' gave service account ' || coalesce(namespace || '/', '') || coalesce(object_name, '') || ' ' || coalesce('the cloud role ' || coalesce(roles[1], roles[2], roles[3]), 'the secret ' || secret, 'its token in every pod') AS detail
FROM changed
WHERE coalesce(roles[1], roles[2], roles[3]) IS NOT NULL OR secret IS NOT NULL OR (automount = 'true' AND verb <> 'create')
