"""Segments scans from files, and writes the results."""

from tf_diffseg.errors import InputError
from tf_diffseg.progress_bar import progress_bar
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.segmentation.scan_outputs import find_outputs
from tf_diffseg.runs.segmentation.scans import find_scans, passed_over_note, read_scan
from tf_diffseg.runs.segmentation.segmenter import check_model, load_segmenter
from tf_diffseg.volumes.result_files import FormatError


def segment_files(
    model,
    input,
    output,
    output_format=None,
    uncertainty=False,
    ensemble_with=(),
    **options,
):
    """Segments one scan, or all of a folder or a pattern, and prints its progress.

    Args:
        model: as in `load_segmenter`.
        input: scans, as in `find_scans`.
        output: path of the label map, or of a folder for label maps of several scans.
        output_format: one of `scan_outputs.FORMATS` for a folder; None for .nii.gz.
        uncertainty: whether to write entropy, variance and volumes for one sample too;
            they are always written for several.
        ensemble_with: as in `load_segmenter`.
        **options: the fields of `InferenceOptions`.

    Returns:
        List of (`Scan`, reason) for those of several scans that failed.

    Raises:
        InputError: an argument cannot be used, or the only scan cannot be segmented.
    """
    has_maps = uncertainty or options.get("num_samples", 1) > 1
    outputs = find_outputs(input, output, output_format, has_maps)
    check_model(model)
    if outputs.is_file:
        # Errors of reading come before the model is loaded.
        scans = find_scans("input", input, num_channels=1)
        outputs.check(scans)
        _print_passed_over(input, scans)
        read_scan(scans[0])
    load_tensorflow()
    segmenter = load_segmenter(model, ensemble_with, **options)
    if segmenter.resampling.unknown_note:
        print(segmenter.resampling.unknown_note)
    if outputs.is_file:
        _segment(segmenter, scans[0], outputs)
        print(f"segmented: {outputs.place}")
        failures = []
    else:
        scans = find_scans("input", input, segmenter.num_channels)
        outputs.check(scans)
        _print_passed_over(input, scans)
        failures = _segment_all(segmenter, scans, outputs)
        num_done = len(scans) - len(failures)
        print(f"segmented: {num_done} scan(s), into {outputs.place}")
    if segmenter.saved_steps is not None:
        print(f"early exit saved {segmenter.saved_steps:.2f} steps a window")
    return failures


def _print_passed_over(source, scans):
    note = passed_over_note(source, scans)
    if note:
        print(note, flush=True)


def _segment_all(segmenter, scans, outputs):
    """Segments scans; returns (`Scan`, reason) for those that failed."""
    import tensorflow as tf

    failures = []
    with progress_bar(len(scans), "scan", "segment") as progress:
        for scan in scans:
            try:
                _segment(segmenter, scan, outputs)
            except (InputError, OSError, tf.errors.OpError) as error:
                failures.append((scan, " ".join(str(error).split())[:500]))
            progress.update()
    return failures


def _segment(segmenter, scan, outputs):
    """Segments one scan, and writes the results."""
    from tf_diffseg.inference.memory_errors import named_memory_errors

    with named_memory_errors(", ".join(scan.paths)):
        image = read_scan(scan)
        segmenter.check_channels(image)
        for text in (*image.notes, *segmenter.notes(image)):
            print(f"{scan.name}: {text}", flush=True)
        with segmenter.progress_of(scan.name):
            result = segmenter.segment(image, outputs.has_maps)
        try:
            outputs.write(scan, image, result, segmenter)
        except FormatError as error:
            raise InputError(
                f"output={outputs.label_path(scan)}: {error}", argument="output"
            ) from error
