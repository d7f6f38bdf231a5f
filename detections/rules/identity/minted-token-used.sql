/*---
id: minted-token-used
title: A token that somebody requested is used elsewhere
techniques: [N04]
status: stable
severity: medium
confidence: medium
attack: [T1528, T1098]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, resources: [serviceaccounts/token], verbs: [create]}
window: 1h
entity: [user_name, source_ip]
why: >-
  The kube-apiserver writes the id of every token it makes, and that id again with every request made with it. So it is
  known who made the token that is used now: not the kubelet, but somebody who asked for one.
blind_spots: >-
  Tokens made before the log begins; signed with a stolen key; in secrets (see legacy-token-used).
false_positives: >-
  CI systems and secret managers that make tokens for others on purpose; inside of the network that is low.
triage:
  - Who made the token, and for what?
  - Does the address belong to whom the token was made for?
  - What was done with it? Look at the timeline of the service account.
---*/
WITH issued AS (
    SELECT cluster, actor(user_name, impersonated_user_name) AS maker, source_ip AS made_at, service_account_name AS made_by,
           json_extract_string(annotations, '$."authentication.kubernetes.io/issued-credential-id"') AS credential_id
    FROM requests
    WHERE resource = 'serviceaccounts' AND subresource = 'token' AND verb = 'create' AND succeeded(response_code)
      AND (impersonated_user_name IS NOT NULL OR NOT (is_node(user_name, user_groups) OR is_control_plane(user_name, user_groups, source_ip)))
)
SELECT a.cluster, a.event_id, a.first_at AS request_received_at, a.user_name, a.source_ip,
       CASE WHEN NOT (a.public OR a.service_account_namespace = 'kube-system')
                 OR EXISTS (SELECT 1 FROM cluster_addresses AS c WHERE c.cluster = a.cluster AND c.source_ip = a.source_ip) THEN 'low'
            WHEN is_built_in_controller(a.service_account_namespace, a.service_account_name) THEN 'high' END AS severity,
       i.maker || ' at ' || i.made_at || ' made the token ' || a.credential_id || ' that is used as ' || a.user_name || ' from ' || a.source_ip AS detail
FROM issued AS i
JOIN appearances AS a ON a.cluster = i.cluster AND a.credential_id = i.credential_id
WHERE a.source_ip <> i.made_at OR is_built_in_controller(a.service_account_namespace, a.service_account_name)
