"""LoRA with PEFT on an embedded checkpoint: trained on twenty pictures, merged and saved. pip install peft"""

from dataclasses import replace

import torch
from peft import LoraConfig, get_peft_model

import ddpm_core
from ddpm_core.disk.files import write_bytes
from ddpm_core.imaging import grid, png

if __name__ == "__main__":
    model = ddpm_core.load("mnist-tiny", engine="torch", precision="fp32")
    pictures = 255 - ddpm_core.sample(model, range(20), steps=20)  # black on white, which it has never seen
    x_0 = ddpm_core.from_uint8(pictures)
    labels = torch.full((20,), model.null_label)
    unet = get_peft_model(ddpm_core.module(model), LoraConfig(r=16, target_modules=r".*(conv1|conv2|conv_out|to_\w)"))
    trained = replace(model, network=unet)  # the loss needs what the model predicts: v
    optimizer = torch.optim.AdamW([weight for weight in unet.parameters() if weight.requires_grad], lr=2e-3)
    for _ in range(200):
        chosen = torch.randint(20, (8,))
        t = torch.randint(1, model.schedule.T + 1, (8,))
        loss = ddpm_core.l_simple(trained, x_0[chosen], t, torch.randn(8, 1, 28, 28), labels[chosen]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unet.merge_and_unload()  # in the model's own network, which has plain layers again
    ddpm_core.save(model, "black-on-white")
    write_bytes("lora.png", png(grid(ddpm_core.sample(ddpm_core.load("black-on-white"), range(8), steps=50))))
