"""Jobs by Celery: `celery_jobs.py add PORT FOLDER`, `celery_jobs.py work PORT FOLDER`."""

import sys

import celery
import kombu.exceptions
import redis

import jobs

what, port, folder = sys.argv[1:4]
address = f"redis://127.0.0.1:{port}/0"
app = celery.Celery("jobs", broker=address, backend=address)
app.conf.update(
    # A job is acknowledged when it is done, and one at a time is taken: none is lost with its worker.
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    # What nobody has acknowledged for a second is given out again when a worker starts.
    broker_transport_options={"visibility_timeout": 1, "unacked_mutex_expire": 2},
)


@app.task(name="work")
def work(number):
    jobs.work(folder, number)


if what == "add":
    connection = redis.Redis(port=int(port))
    send = lambda number: work.apply_async((number,), retry=False)
    jobs.add(folder, connection, 0.005, send, (kombu.exceptions.OperationalError,))
else:
    app.worker_main(["worker", "--pool", "solo", "--loglevel", "WARNING"])
