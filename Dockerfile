# For GPU nodes and KubeRay; the same environment as environment.yml.
#   docker build -t hista-repro . && docker run --gpus all --shm-size 16g hista-repro run --profile gpu
# The base holds no CUDA libraries: those come with PyTorch's wheels. The node needs NVIDIA's driver and container toolkit.
FROM condaforge/miniforge3:25.3.1-0

# bubblewrap isolates the programs that models write
RUN apt-get update && apt-get install --yes --no-install-recommends bubblewrap git build-essential && rm -rf /var/lib/apt/lists/*

WORKDIR /hista-repro
COPY pyproject.toml README.md LICENSE environment.yml ./
COPY src src
RUN conda env create --file environment.yml && conda clean --all --yes
COPY . .

ENV PATH=/opt/conda/envs/hista-repro/bin:$PATH HISTA_REPRO_ROOT=/hista-repro
ENTRYPOINT ["hista-repro"]
