"""Methods that `side_by_side` compares, each in a process of its own.

`child` runs one of the modules `*_method`, in the Python that has its packages.
Such a module defines three functions; `job` is the dict that `jobs` makes, and `folder`
that of the method:

* `prepare(job, folder)` does what comes once, before training;
* `train(job, folder, clock)` calls `clock.start()` before the first step and
  `clock.step(loss)` after each, goes by `clock.share`, ends once `clock.is_over`, and
  saves what it has learnt;
* `predict(job, folder, labels)` writes `labels/UID.nii.gz` for each case of
  `job["test"]`, on the grid of its file.

The first two may return a dict, which the results then have.
"""
