"""What is where in the Denoise tab."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from ddpm_core.model import ModelSpec
from ui.export import files
from ui.runs.models import Models
from ui.runs.settings import Settings
from ui.tabs.denoise import controls, texts
from ui.tabs.denoise.controls import Controls
from ui.tabs.denoise.player import player


@dataclass(frozen=True)
class Layout:
    """The components of the tab that events read or change."""

    controls: Controls
    summary: gr.Button
    lock: gr.Checkbox
    dice: gr.Button
    dice_bar: gr.Button
    run: gr.Button
    stop: gr.Button
    estimate: gr.HTML
    comparisons: list[gr.Button]
    caption: gr.HTML
    player: gr.HTML
    copy_link: gr.Button
    copy_python: gr.Button
    copy_diffusers: gr.Button
    saves: list[gr.Button]  # one for each of files.KINDS
    saved: list[gr.DownloadButton]  # hidden: with these the browser fetches the files
    # Hidden: what changes when the settings are to be described anew, the revisions of the chosen models, and the
    # scripts that the buttons copy.
    again: gr.Textbox
    revision: gr.Textbox
    revision_b: gr.Textbox
    python: gr.Textbox
    diffusers: gr.Textbox


def layout(models: Models, checkpoint: str, known: ModelSpec | None) -> Layout:
    """Build the tab. known: what is known of the checkpoint that is chosen at first."""
    fitted = controls.for_models(known, known)
    with gr.Row(elem_id="denoise", equal_height=False):
        with gr.Column(elem_id="controls", scale=0, min_width=320):
            summary = gr.Button("Settings", elem_id="summary", size="sm")  # opens the settings on a phone
            with gr.Column(elem_id="settings"):
                ref = controls.checkpoint_dropdown(models, checkpoint)
                steps = controls.steps_slider(**fitted["steps"])
                variance = controls.variance_radio(**fitted["variance"])
                with gr.Row(elem_id="seed-row"):
                    seed = controls.seed_textbox()
                    lock = gr.Checkbox(True, label="Lock", elem_id="lock", container=False, min_width=60)
                    dice = gr.Button("New seed", elem_id="dice", min_width=44)
                label = controls.label_dropdown(**fitted["label"])
            with gr.Row(elem_id="run-bar"):
                run = gr.Button("Run", variant="primary", elem_id="run", min_width=80)
                stop = gr.Button("Stop", elem_id="stop", min_width=80)
                dice_bar = gr.Button("New seed", elem_id="dice-bar", min_width=44)  # on a phone
            estimate = gr.HTML(elem_id="estimate")
            with gr.Column(elem_id="comparison"):
                compare = controls.compare_checkbox()
                with gr.Column(elem_id="lane-b"):
                    with gr.Row(elem_id="lessons-ab"):
                        comparisons = [gr.Button(title, size="sm", min_width=80) for title in controls.COMPARISONS]
                    gr.HTML("<h3>Lane B <small>(A is set above)</small></h3>", elem_id="lane-b-title")
                    second = controls.second_lane(models, fitted)
                    caption = gr.HTML(elem_id="seen")
                    gr.HTML(texts.PUBLISHED, elem_id="published")
            with gr.Accordion("Advanced", open=False, elem_id="advanced"):
                advanced = controls.advanced(clip=known.clip if known else bool(Settings.clip))
        with gr.Column(elem_id="stage", min_width=280):
            screen = player(models.public)
            with gr.Row(elem_id="downloads"):
                copy_link = gr.Button("Copy link", size="sm", elem_id="copy-link")
                copy_python = gr.Button("Copy Python", size="sm", elem_id="copy-python")
                copy_diffusers = gr.Button("Copy for diffusers", size="sm", elem_id="copy-diffusers")
                saves = [
                    gr.Button(texts.SAVES[kind], size="sm", interactive=False, elem_id=f"save-{kind}")
                    for kind in files.KINDS
                ]
                saved = [gr.DownloadButton(visible="hidden", elem_id=f"{kind}-file") for kind in files.KINDS]
    return Layout(
        Controls(
            checkpoint=ref,
            steps=steps,
            variance=variance,
            seed=seed,
            label=label,
            compare=compare,
            **second,
            **advanced,
        ),
        summary=summary,
        lock=lock,
        dice=dice,
        dice_bar=dice_bar,
        run=run,
        stop=stop,
        estimate=estimate,
        comparisons=comparisons,
        caption=caption,
        player=screen,
        copy_link=copy_link,
        copy_python=copy_python,
        copy_diffusers=copy_diffusers,
        saves=saves,
        saved=saved,
        again=gr.Textbox("", visible="hidden"),  # in the page, as others say no change
        revision=gr.Textbox("", visible=False),
        revision_b=gr.Textbox("", visible=False),
        python=gr.Textbox("", visible=False),
        diffusers=gr.Textbox("", visible=False),
    )
