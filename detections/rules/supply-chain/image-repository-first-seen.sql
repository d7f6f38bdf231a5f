/*---
id: image-repository-first-seen
title: An image repository runs in a namespace for the first time
techniques: [C13, C21]
status: stable
severity: low
confidence: medium
attack: [T1525, T1610]
layer: code
control: detection
practice: supply-chain
needs: {level: Request, verbs: [create, update, patch], history: 7d}
window: 1h
entity: [namespace, repository]
why: >-
  Workloads of a namespace run the same few images for months. A repository never seen there is a new
  application, or somebody else's.
blind_spots: >-
  What ran before the log began. A new tag of a known repository.
false_positives: >-
  New applications and moved registries.
triage:
  - Is somebody introducing an application here?
  - Where does the image come from, and who built it?
---*/
WITH images AS (
    SELECT *, image_repository(image) AS repository FROM workload_containers WHERE image IS NOT NULL AND applied
),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY cluster, namespace, repository ORDER BY request_received_at, event_id) AS place,
           request_received_at - min(request_received_at) OVER (PARTITION BY cluster, namespace) AS known_for
    FROM images
)
SELECT cluster, event_id, request_received_at, namespace, repository,
       who || ' wrote ' || workload || ' with ' || image || ', whose repository is new in ' || coalesce(namespace, '') AS detail
FROM ranked WHERE place = 1 AND known_for >= INTERVAL 7 DAY
