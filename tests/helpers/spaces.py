"""A stand-in for the package `spaces` on ZeroGPU, as its documentation describes it.

`@spaces.GPU(duration=...)` runs a function, which may be a generator, in a forked process. Arguments and results are
pickled. duration is in seconds, or a function of the same arguments. A longer call is aborted, and a call without
enough quota is refused; both are gradio errors with a title. A test sets `quota`, in seconds, and reads `asked`.
"""

import inspect
import multiprocessing
import pickle
import threading

import gradio as gr

quota = 1000.0
asked = []  # seconds that calls requested
decorated = []
context = multiprocessing.get_context("fork")


def GPU(task=None, *, duration=60):
    if task is None:
        return lambda task: GPU(task, duration=duration)
    assert inspect.isgeneratorfunction(task), "only generators are needed here"

    def call(*args):
        global quota
        seconds = duration(*args) if callable(duration) else duration
        asked.append(seconds)
        if seconds > quota:
            raise _error("ZeroGPU quota exceeded", f"{seconds}s requested vs. {quota}s left")
        quota -= seconds
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(task, pickle.dumps(args), sender), daemon=True)
        process.start()
        sender.close()
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            while True:
                kind, content = receiver.recv()
                if kind == "end":
                    return
                if kind == "error":
                    raise _error("ZeroGPU worker error", content)
                yield pickle.loads(content)
        except EOFError:
            raise _error("ZeroGPU worker error", "GPU task aborted") from None
        finally:
            timer.cancel()
            process.kill()
            process.join()

    decorated.append(call)
    return call


def _work(task, args, sender):
    try:
        for item in task(*pickle.loads(args)):
            sender.send(("item", pickle.dumps(item)))
        sender.send(("end", None))
    except BaseException as error:
        sender.send(("error", type(error).__name__))


def _error(title, message):
    error = gr.Error(message)
    error.title = title
    return error
