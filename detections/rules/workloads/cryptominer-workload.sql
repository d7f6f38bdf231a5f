/*---
id: cryptominer-workload
title: A workload looks like a cryptocurrency miner
techniques: [C10]
status: stable
severity: high
confidence: medium
attack: [T1496]
threat_matrix: [MS-TA9039]
layer: container
control: detection
practice: runtime
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Miners are the most common reason for which strangers run something in a cluster, and a sign that they can run
  anything.
blind_spots: >-
  Miners under other names in images of their own. Pods that never pass the kube-apiserver's audit log (static
  pods), and what an admission webhook adds where the level hides the stored object.
false_positives: >-
  Chain nodes that a team runs on purpose.
triage:
  - Which node pays for it, and what else does the identity run?
  - How did the identity get its rights?
  - Delete the workload and whatever brings it back.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR NOT authored THEN 'low' END AS severity,
       who || ' wrote ' || workload || ' with the image ' || coalesce(image, '') || coalesce(' and the command ' || nullif(command_line[:80], ''), '') || outcome_words AS detail
FROM workload_containers
WHERE regexp_matches(lower(coalesce(image, '') || ' ' || container_name || ' ' || coalesce(command_line, '') || ' ' || coalesce(environment, '')),
                     'xmrig|xmr-stak|\bminerd\b|cpuminer|ethminer|cgminer|bfgminer|nbminer|lolminer|phoenixminer|t-rex.*stratum|stratum\+(tcp|ssl|tls)|stratum2|cryptonight|randomx|nanopool|supportxmr|minexmr|moneroocean|dero-?miner|kinsing|kdevtmpfsi|--donate-level|monerohash|hashvault|c3pool|nicehash')
