/*---
id: credential-in-several-clusters
title: One credential was accepted in several clusters
techniques: [N52]
status: stable
severity: high
confidence: high
attack: [T1078.004]
layer: cloud
control: detection
practice: rbac
needs: {level: Metadata}
window: 1d
entity: [user_name, credential_id]
why: >-
  A cluster's tokens are for that cluster. One that another cluster accepts too shows that both trust the same key, and that
  somebody carries it from one to the other.
blind_spots: >-
  The same person with different credentials. Credentials without an id.
false_positives: >-
  Logins by one issuer for all clusters, and clusters (or their nodes) made with one authority for certificates: both are low, since they
  are a choice (the latter a poor one).
triage:
  - Do these clusters share the key that signs tokens, or the authority for certificates? Should they?
  - In which cluster was the credential made, and what did it do in the others?
---*/
WITH several AS (
    SELECT credential_id, count(DISTINCT cluster) AS clusters, string_agg(DISTINCT cluster, ', ' ORDER BY cluster) AS names
    FROM appearances
    WHERE credential_id IS NOT NULL AND NOT control_plane
    GROUP BY ALL HAVING count(DISTINCT cluster) > 1
)
SELECT a.cluster, a.event_id, a.first_at AS request_received_at, a.user_name, a.credential_id,
       CASE WHEN a.service_account_name IS NULL THEN 'low' END AS severity,
       a.user_name || ' used ' || a.credential_id || ' from ' || a.source_ip || ' in the clusters ' || s.names AS detail
FROM several AS s
JOIN appearances AS a ON a.credential_id = s.credential_id
WHERE NOT a.control_plane
