/*---
id: image-verification-weakened
title: The check of image signatures was weakened
techniques: [C13]
status: stable
severity: high
confidence: medium
attack: [T1525, T1610]
layer: cluster
control: detection
practice: supply-chain
needs: {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Where signatures of images are verified at admission, an image of a stranger runs only after the check is
  weakened: a policy taken away, set to warn, made to pass everything, or a namespace taken out of it.
blind_spots: >-
  Verification by other software, and by webhooks alone (their configuration is judged by the rules on
  guards). A JSON patch that removes a part of a policy; deletions of Kyverno's policies are judged with the
  other guards. What a pattern of images leaves out cannot be told from the log.
false_positives: >-
  Introducing verification step by step (warn first), renaming policies, emergency changes. GitOps that
  applies a policy which was in warn mode all the time.
triage:
  - Who did it, and which change explains it?
  - Which images came into the cluster since, and from where?
  - Put the policy back and have the running images verified.
---*/
WITH policies AS (
    SELECT *, CASE
        WHEN api_group = 'policy.sigstore.dev' AND lower(json_extract_string(document, '$.spec.mode')) = 'warn' THEN 'set the image policy to warn: '
        WHEN api_group = 'policy.sigstore.dev' AND list_contains(json_extract_string(document, '$.spec.authorities[*].static.action'), 'pass') THEN 'let every image pass the image policy: '
        WHEN api_group = 'kyverno.io' AND json_type(coalesce(merged, document), '$.spec.rules[0].verifyImages') IS NOT NULL
             AND (lower(json_extract_string(document, '$.spec.validationFailureAction')) = 'audit'
                  OR list_has_any(list_transform(json_extract_string(document, '$.spec.rules[*].verifyImages[*].failureAction'), lambda it: lower(it)), ['audit'])
                  OR list_contains(json_extract_string(document, '$.spec.rules[*].verifyImages[*].required'), 'false'))
             THEN 'let unverified images pass the policy: '
        WHEN api_group = 'policies.kyverno.io' AND json_type(document, '$.spec.validationActions') = 'ARRAY'
             AND NOT list_contains(json_extract_string(document, '$.spec.validationActions[*]'), 'Deny') THEN 'let unverified images pass the policy: '
        WHEN resource = 'configmaps' AND lower(json_extract_string(document, '$.data."no-match-policy"')) IN ('allow', 'warn') THEN 'let images that no policy names pass: '
        WHEN resource = 'namespaces' AND (json_type(document, '$.metadata.labels."policy.sigstore.dev/include"') = 'NULL'
                                          OR json_extract_string(document, '$.metadata.labels."policy.sigstore.dev/include"') <> 'true'
                                          OR json_extract_string(document, '$.metadata.labels."policy.sigstore.dev/exclude"') = 'true')
             THEN 'took out of the verification of images: ' END AS what
    FROM written_documents
    WHERE subresource IS NULL
      AND (api_group = 'policy.sigstore.dev' AND resource = 'clusterimagepolicies' OR api_group = 'kyverno.io' AND resource IN ('policies', 'clusterpolicies')
           OR api_group = 'policies.kyverno.io' AND resource IN ('imagevalidatingpolicies', 'namespacedimagevalidatingpolicies')
           OR resource = 'namespaces' OR resource = 'configmaps' AND name = 'config-policy-controller')
),
removals AS (
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, resource, namespace, name AS object_name, applied,
           response_code, decision, response_message, 'took out of the verification of images: ' AS what
    FROM json_patch_removals
    WHERE resource = 'namespaces' AND path IN ('/metadata/labels/policy.sigstore.dev/include', '/metadata/labels')
),
deletions AS (
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, resource, namespace, name AS object_name,
           took_effect(verb, level, response_code, request_uri, request_object) AS applied, response_code, decision, response_message,
           'deleted what verifies images: ' AS what
    FROM requests
    WHERE api_group = 'policy.sigstore.dev' AND resource IN ('clusterimagepolicies', 'trustroots') AND subresource IS NULL
      AND verb IN ('delete', 'deletecollection')
      AND NOT is_cleaning(verb, user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            -- All labels of a namespace: this one may not have been among them.
            WHEN resource = 'namespaces' THEN 'medium' END AS severity,
       CASE WHEN applied THEN actor(user_name, impersonated_user_name) || ' ' || what
            ELSE actor(user_name, impersonated_user_name) || ' tried what would have ' || what END
           || thing(resource, NULL, namespace, object_name) || outcome(applied, response_code, decision, response_message) AS detail
FROM (SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, resource, namespace, object_name, applied,
             response_code, decision, response_message, what FROM policies WHERE what IS NOT NULL
      UNION ALL BY NAME SELECT * FROM removals
      UNION ALL BY NAME SELECT * FROM deletions)
