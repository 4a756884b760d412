"""A hospital of the bench as a Flower ClientApp."""

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from bench.workload import load

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Answer an order with the local parameters, the rows, and the metrics of the global model it carried."""
    workload = load(context.run_config["workload"])
    hospital = int(context.node_config["partition-id"])
    (parameters,) = message.content["arrays"].to_numpy_ndarrays()
    update = workload.train(hospital, int(message.content["config"]["server-round"]), parameters)
    reply = RecordDict(
        {
            "arrays": ArrayRecord([update.parameters]),
            "metrics": MetricRecord({"num-examples": update.rows, **update.metrics}),
        }
    )
    return Message(content=reply, reply_to=message)
