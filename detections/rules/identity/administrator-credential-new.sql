/*---
id: administrator-credential-new
title: An administrator's credential or address is new
techniques: [N09]
status: stable
severity: medium
confidence: medium
attack: [T1078.001]
threat_matrix: [MS-TA9003]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, history: 7d}
window: 1d
entity: [user_name, source_ip]
why: >-
  A certificate of system:masters passes every check and cannot be taken back. There should be one of it, in a safe, used from
  one place; a second one was made by somebody who holds the key of the authority.
blind_spots: >-
  A thief who uses the known certificate from its known place. Certificates count where the version writes their fingerprint.
false_positives: >-
  Renewal of certificates with an upgrade, and another administrator's machine.
triage:
  - Were certificates renewed on that day?
  - Who sits at that address?
  - If nobody can say, the authority of the cluster must be replaced.
---*/
WITH administrators AS (
    -- The kube-apiserver calls itself under a new token after each start.
    SELECT *, min(first_at) OVER (PARTITION BY cluster, user_name, credential_id) AS credential_at,
           min(first_at) OVER (PARTITION BY cluster, user_name, source_ip) AS address_at
    FROM appearances WHERE administrator AND NOT control_plane
)
SELECT cluster, event_id, first_at AS request_received_at, user_name, source_ip,
       user_name || ' came' || CASE WHEN first_at = credential_at THEN ' for the first time with ' || coalesce(credential_id, 'a credential without an id') ELSE '' END
           || ' from ' || source_ip || CASE WHEN first_at = address_at THEN ', where it never came from before' ELSE '' END AS detail
FROM administrators
WHERE cluster_known_for >= INTERVAL 7 DAY AND (first_at = credential_at OR first_at = address_at)
  AND (first_at = credential_at OR source_ip NOT IN ('127.0.0.1', '::1'))
