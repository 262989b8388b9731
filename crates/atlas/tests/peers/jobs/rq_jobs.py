"""Jobs by rq: `rq_jobs.py add PORT FOLDER`, `rq_jobs.py work PORT FOLDER`, `rq_jobs.py rescue PORT FOLDER`."""

import sys
import time

import redis
import rq
from rq.intermediate_queue import IntermediateQueue
from rq.registry import FailedJobRegistry, StartedJobRegistry

import jobs

what, port, folder = sys.argv[1:4]
connection = redis.Redis(port=int(port))
queue = rq.Queue(connection=connection)

if what == "add":
    retry = rq.Retry(max=10)
    jobs.add(folder, connection, 0.15, lambda number: queue.enqueue(jobs.work, folder, number, retry=retry))
elif what == "work":
    rq.Worker([queue], connection=connection).work(logging_level="WARNING")
else:
    # What an operator does who does not want to wait until rq gives a killed worker's job up, which takes minutes.
    for job_id in IntermediateQueue(queue.key, connection=connection).get_job_ids():
        connection.lrem(IntermediateQueue(queue.key, connection=connection).key, 1, job_id)
        queue.push_job_id(job_id)
    StartedJobRegistry(queue=queue).cleanup(timestamp=int(time.time()) + 3600)
    failed = FailedJobRegistry(queue=queue)
    for job_id in failed.get_job_ids():
        failed.requeue(job_id)
