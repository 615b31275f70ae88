"""LoRA with PEFT on an embedded checkpoint: trained on twenty pictures, merged and saved. pip install peft"""

from dataclasses import replace

import torch
from peft import LoraConfig, get_peft_model

import ddpm_core
from ddpm_core.disk.files import write_bytes
from ddpm_core.imaging import grid, png

if __name__ == "__main__":
    torch.manual_seed(0)
    model = ddpm_core.load("mnist-tiny", engine="torch", precision="fp32")
    pictures = 255 - ddpm_core.sample(model, range(30), steps=20)  # black on white, which it has never seen
    x_0, others = ddpm_core.from_uint8(pictures).split((20, 10))
    unet = get_peft_model(ddpm_core.module(model), LoraConfig(r=16, target_modules=r".*(conv1|conv2|conv_out|to_\w)"))
    trained = replace(model, network=unet)  # the loss needs what the model predicts: v

    @torch.no_grad()
    def loss_of_others():
        return ddpm_core.loss(trained, others.repeat(8, 1, 1, 1), generator=torch.Generator().manual_seed(1)).mean()

    before = loss_of_others()
    optimizer = torch.optim.AdamW([weight for weight in unet.parameters() if weight.requires_grad], lr=2e-3)
    for _ in range(200):
        optimizer.zero_grad()
        ddpm_core.loss(trained, x_0[torch.randint(20, (8,))]).mean().backward()  # of any class, at any t
        optimizer.step()
    print(f"loss on ten other pictures: {before:.3f} before, {loss_of_others():.3f} after")
    unet.merge_and_unload()  # in the model's own network, which has plain layers again
    ddpm_core.save(model, "black-on-white")
    write_bytes("lora.png", png(grid(ddpm_core.sample(ddpm_core.load("black-on-white"), range(8), steps=50))))
